"""Tables on disk: Parquet, CSV and JSON lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from headstart.core.errors import DataError, nearest
from headstart.data.sources.source import Source

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})


def open_table(path: Path) -> Source:
    """Open a table file, or a folder of Parquet files as one table.

    Raises:
        DataError: the ending is unknown, or the file cannot be read.
    """
    reader = READERS[".parquet"] if path.is_dir() else _reader_for(path)
    try:
        table = reader(path)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"data source: cannot read '{path}' ({reason}); check that the file is whole") from error
    return source_of_table(table, path.name, path if path.is_dir() else path.parent)


def source_of_table(table: pa.Table, name: str, folder: Path | None) -> Source:
    """Find out which columns hold images and class names, from the types and Hugging Face's description."""
    features = _features(table)
    described = {key: feature.get("_type") for key, feature in features.items() if isinstance(feature, dict)}
    class_names = {key: tuple(features[key]["names"]) for key, kind in described.items() if kind == "ClassLabel"}
    images = [key for key, kind in described.items() if kind == "Image" and key in table.column_names]
    images += [field.name for field in table.schema if _is_image(table, field)]
    return Source(name, table, class_names, image_column=images[0] if images else None, folder=folder)


def _reader_for(path: Path) -> Callable[[Path], pa.Table]:
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    if suffix not in READERS:
        raise DataError(
            f"data source: '{path.name}' ends in '{suffix}', which no reader knows; {nearest(suffix, READERS)}"
        )
    return READERS[suffix]


def _features(table: pa.Table) -> dict[str, Any]:
    """Return Hugging Face's description of the columns, if the file carries one."""
    text = (table.schema.metadata or {}).get(b"huggingface", b"{}")
    features: dict[str, Any] = json.loads(text).get("info", {}).get("features", {})
    return features


def _is_image(table: pa.Table, field: pa.Field) -> bool:
    kind = field.type
    if pa.types.is_struct(kind):
        return "bytes" in {kind.field(i).name for i in range(kind.num_fields)}
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return True
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return False
    first = next((str(value) for value in table.column(field.name)[:100].to_pylist() if value), "")
    return Path(first).suffix.lower() in IMAGE_SUFFIXES


def _read_parquet(path: Path) -> pa.Table:
    import pyarrow.parquet as pq

    return pq.read_table(path)


def _read_csv(path: Path, delimiter: str = ",") -> pa.Table:
    from pyarrow import csv

    # An empty cell is a missing value in a column of text too, not a value of no letters.
    options = csv.ConvertOptions(strings_can_be_null=True)
    return csv.read_csv(path, parse_options=csv.ParseOptions(delimiter=delimiter), convert_options=options)


def _read_tsv(path: Path) -> pa.Table:
    return _read_csv(path, delimiter="\t")


def _read_json_lines(path: Path) -> pa.Table:
    from pyarrow import json as arrow_json

    return arrow_json.read_json(path)


READERS: Mapping[str, Callable[[Path], pa.Table]] = {
    ".parquet": _read_parquet,
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
}
