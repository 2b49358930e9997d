"""Parquet files: what they would take is known before they are read; honest ones are read as they are."""

from __future__ import annotations

import io
import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.core.errors import DataError
from headstart.data.sources import Source, open_source
from headstart.data.sources.parquet_pages import pages

MB = 2**20


@pytest.fixture(autouse=True)
def small_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that may take 64 MB for a source."""
    monkeypatch.setenv("HEADSTART_MEMORY_GB", "0.064")


def opened(path: Path) -> Source:
    return open_source(path.name, path.parent)


def refused(path: Path) -> None:
    """Check that a file is refused in one line, and that this process has not grown for it."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError) as error:
        opened(path)
    line = str(error.value)
    assert line.startswith("data.source: ")
    assert "may take at most 0.064 GB of memory here" in line
    assert "\n" not in line
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400 * 1024


def dictionary(rows: int, text: str) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([text]))


PARQUET: dict[str, Callable[[], pa.Table]] = {
    "numbers in runs": lambda: pa.table({"x": np.zeros(20_000_000, np.int64)}),
    "numbers of a dictionary": lambda: pa.table({"x": np.tile([1.5, 2.5], 10_000_000)}),
    "many columns": lambda: pa.table({f"x{i}": np.zeros(100_000) for i in range(100)}),
    "a text said once": lambda: pa.table({"x": dictionary(1_000_000, "x" * 10_000)}),
    "a text without its type": lambda: pa.table({"x": pa.array(["x" * 10_000] * 10_000)}),
    "nested numbers": lambda: pa.table({"x": pa.FixedSizeListArray.from_arrays(np.zeros(12_000_000), 1200)}),
    "nested texts": lambda: pa.table({"x": pa.StructArray.from_arrays([dictionary(100_000, "x" * 5_000)], ["bytes"])}),
    "lists of texts": lambda: pa.table(
        {"x": pa.ListArray.from_arrays(pa.array(range(0, 100_001, 10), pa.int32()), dictionary(100_000, "y" * 9000))}
    ),
    "fixed bytes": lambda: pa.table({"x": pa.array([b"z" * 10_000] * 10_000, pa.binary(10_000))}),
    "truth": lambda: pa.table({"x": np.zeros(100_000_000, bool)}),
}


@pytest.mark.parametrize("make", PARQUET.values(), ids=PARQUET.keys())
@pytest.mark.parametrize("schema", [True, False])
def test_a_parquet_file_that_would_fill_the_memory_is_not_read(
    make: Callable[[], pa.Table], schema: bool, tmp_path: Path
) -> None:
    path = tmp_path / "bomb.parquet"
    pq.write_table(make(), path, store_schema=schema, compression="zstd")
    assert path.stat().st_size < 2 * MB
    refused(path)


def test_parts_of_a_folder_count_together(tmp_path: Path) -> None:
    for part in range(4):
        pq.write_table(pa.table({"x": np.zeros(3_000_000)}), tmp_path / f"{part}.parquet")
    refused(tmp_path)


def test_an_honest_table_with_a_dictionary_is_read(tmp_path: Path) -> None:
    words = ["north", "south"] * 100_000
    pq.write_table(pa.table({"x": pa.array(words).dictionary_encode(), "y": words}), tmp_path / "t.parquet")
    table = opened(tmp_path / "t.parquet").table
    assert table.column("x").to_pylist() == table.column("y").to_pylist() == words


@pytest.mark.parametrize("text", ["[" * 100_000, "nothing", '{"info": []}', '{"info": {"features": {"a": 3}}}', "[1]"])
def test_a_description_of_columns_that_is_none_is_passed_over(tmp_path: Path, text: str) -> None:
    table = pa.table({"a": [1]}).replace_schema_metadata({"huggingface": text})
    pq.write_table(table, tmp_path / "t.parquet")
    assert opened(tmp_path / "t.parquet").table.num_rows == 1


def test_pictures_that_no_dictionary_holds_are_read(tmp_path: Path) -> None:
    """Where a writer gives its dictionary up, a group of rows has both."""
    draw = np.random.default_rng(0)
    rows = [{"bytes": draw.bytes(20_000), "path": str(i)} for i in range(400)]
    table = pa.table({"image": rows, "tags": [["a", "b"]] * 400, "label": [i % 2 for i in range(400)]})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=150)
    assert opened(tmp_path / "t.parquet").table.equals(table)


@pytest.mark.parametrize("compression", ["none", "snappy", "zstd"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_the_sizes_of_pages_are_those_of_the_description(tmp_path: Path, compression: str, version: str) -> None:
    words = [f"word {i % 5000}" for i in range(100_000)]
    pq.write_table(
        pa.table({"a": words}), tmp_path / "t", compression=compression, data_page_version=version, data_page_size=4000
    )
    chunk = pq.ParquetFile(tmp_path / "t").metadata.row_group(0).column(0)
    with (tmp_path / "t").open("rb") as file:
        found = list(pages(file, chunk.dictionary_page_offset, chunk.total_compressed_size))
    assert [is_dictionary for is_dictionary, _ in found[:2]] == [True, False]
    headers = chunk.total_uncompressed_size - sum(size for _, size in found)
    assert 0 < headers < 100 * len(found)


@given(st.binary(max_size=200))
def test_whatever_stands_in_the_place_of_pages_is_an_error_or_passed(raw: bytes) -> None:
    try:
        found = list(pages(io.BytesIO(raw), 0, len(raw)))
    except ValueError:
        return
    assert all(size >= 0 for _, size in found)


@pytest.mark.parametrize("place", [4, 5, 6, 30])
def test_a_file_whose_pages_are_none_is_one_line(tmp_path: Path, place: int) -> None:
    pq.write_table(pa.table({"a": ["x", "y"] * 100}), tmp_path / "t.parquet")
    raw = bytearray((tmp_path / "t.parquet").read_bytes())
    raw[place : place + 8] = b"\xff" * 8
    (tmp_path / "t.parquet").write_bytes(raw)
    with pytest.raises(DataError, match=r"^data\.source: cannot read '.*'? ?\(") as error:
        opened(tmp_path / "t.parquet")
    assert "\n" not in str(error.value)
