from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headstart.core.errors import DataError
from headstart.evidence.scores import COLUMNS, from_rows
from headstart.report.client_table import read_clients


def test_scores_are_those_of_the_rows(slate_folder: Path) -> None:
    path = slate_folder / "clients.parquet"
    rows, arms = pq.read_table(path).to_pylist(), ["ridge", "local", "no such arm"]
    table = read_clients(path)
    found = table.scores("log_loss", "test", arms)
    expected = from_rows(rows, "log_loss", arms=arms[:2], clients=[f"site-{at}" for at in range(1, 21)])
    assert (found.arms, found.seeds, found.clients) == (expected.arms, expected.seeds, expected.clients)
    assert np.array_equal(found.values, expected.values, equal_nan=True)
    assert np.array_equal(found.seen, expected.seen)
    assert table.scores("log_loss", "test", arms) is found


def test_columns_are_whole(slate_folder: Path) -> None:
    table, rows = read_clients(slate_folder / "clients.parquet"), pq.read_table(slate_folder / "clients.parquet")
    assert tuple(table) == COLUMNS
    assert all(table[name].tolist() == rows.column(name).to_pylist() for name in COLUMNS[:-1])
    assert np.array_equal(table["value"], rows.column("value").to_numpy(), equal_nan=True)
    with pytest.raises(KeyError):
        table["weight"]


def test_no_file_is_no_client(tmp_path: Path) -> None:
    table = read_clients(tmp_path / "clients.parquet")
    assert table.scores("accuracy", "test", ["ridge"]).clients == ()
    assert len(table["arm"]) == 0


@pytest.mark.parametrize(
    ("change", "words"), [({}, "one value per arm, seed and client"), ({"seed": 1, "seen": False}, "seen or held out")]
)
def test_rows_that_do_not_fit_together_are_refused(tmp_path: Path, change: dict[str, object], words: str) -> None:
    row = dict(zip(COLUMNS, ("ridge", 0, "a", True, "test", "accuracy", 0.5), strict=True))
    pq.write_table(pa.Table.from_pylist([row, {**row, **change}]), tmp_path / "clients.parquet")
    with pytest.raises(DataError, match=words):
        read_clients(tmp_path / "clients.parquet").scores("accuracy", "test", ["ridge"])
