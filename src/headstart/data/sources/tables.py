"""Tables on disk: Parquet, CSV and JSON; and what their columns turn out to be."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from headstart.core.errors import DataError, nearest
from headstart.core.limits import check_memory
from headstart.data.sources.delimited import read_delimited
from headstart.data.sources.json_rows import LEAF_CLIENT, read_json
from headstart.data.sources.numbers import typed_table
from headstart.data.sources.other_kinds import check_content, way_out_of
from headstart.data.sources.parquet import read_parquet, table_bytes
from headstart.data.sources.source import Source
from headstart.data.sources.table_format import TableFormat

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})

_Read = tuple[pa.Table, tuple[str, ...], str | None]
"""A file's rows, notes, and the column that its layout says names the clients."""


def open_table(path: Path, form: TableFormat | None = None) -> Source:
    """Open a table file, or a folder of Parquet files as one table.

    Raises:
        DataError: the ending is unknown, the content is of another kind, or the file cannot be read.
    """
    form = form or TableFormat()
    reader = READERS[".parquet"] if path.is_dir() else _reader_for(path)
    if path.is_file():
        check_content(path)
    try:
        table, notes, client = reader(path, form)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"data.source: cannot read '{path}' ({reason}); check that the file is whole") from error
    return source_of_table(table, path.name, path if path.is_dir() else path.parent, form, notes, client)


def source_of_table(
    table: pa.Table,
    name: str,
    folder: Path | None,
    form: TableFormat | None = None,
    notes: tuple[str, ...] = (),
    client: str | None = None,
) -> Source:
    """Find out what columns hold: numbers, images, class names; from types, content and Hugging Face's description.

    Raises:
        DataError: two columns share a name, or numbers may be meant in two ways.
    """
    form = form or TableFormat()
    features = _features(table)
    table, more = typed_table(_plain(_named(table, name)), form, name)
    described = {key: feature.get("_type") for key, feature in features.items()}
    names = {key: features[key].get("names") for key, kind in described.items() if kind == "ClassLabel"}
    class_names = {key: tuple(map(str, found)) for key, found in names.items() if isinstance(found, list)}
    images = [key for key, kind in described.items() if kind == "Image" and key in table.column_names]
    images += [field.name for field in table.schema if _is_image(table, field)]
    image = images[0] if images else None
    return Source(
        name, table, class_names, image_column=image, client_column=client, folder=folder, form=form, notes=notes + more
    )


def _reader_for(path: Path) -> Callable[[Path, TableFormat], _Read]:
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    if suffix in READERS:
        return READERS[suffix]
    way_out = way_out_of(suffix) or nearest(suffix, READERS)
    raise DataError(f"data.source: '{path.name}' ends in '{suffix}', which no reader knows; {way_out}")


def _named(table: pa.Table, name: str) -> pa.Table:
    """Leave out nameless columns without a value, which spreadsheets write; name the others; check for doubles."""
    every = table.column_names  # made anew each time
    kept = [i for i, key in enumerate(every) if key.strip() or not _has_nothing(table.column(i))]
    names = [every[i] if every[i].strip() else f"Unnamed: {i}" for i in kept]
    table = table.select(kept).rename_columns(names) if names != every else table
    double = next((key for key, count in Counter(table.column_names).items() if count > 1), None)
    if double is None:
        return table
    places = [str(i + 1) for i, key in enumerate(table.column_names) if key == double]
    raise DataError(
        f"data.source: {len(places)} columns of '{name}' are called '{double}' (columns {', '.join(places)}); rename "
        "them, so that each has a name of its own, or put a line of names before the first one if that is a row"
    )


def _has_nothing(column: pa.ChunkedArray) -> bool:
    return int(column.null_count) == len(column)


def _plain(table: pa.Table) -> pa.Table:
    """Undo what only says how values are stored: dictionaries, views, extension types.

    Raises:
        DataError: what stands in dictionaries would not fit into memory.
    """
    check_memory("data.source", "a table", table_bytes(table), "give fewer rows or columns")
    for position, field in enumerate(table.schema):
        kind, column = field.type, table.column(position)
        if isinstance(kind, pa.BaseExtensionType):
            column = pa.chunked_array([chunk.storage for chunk in column.chunks], kind.storage_type)
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_string_view(column.type):
            column = column.cast(pa.large_string())
        if column.type != kind:
            table = table.set_column(position, field.name, column)
    return table


def _features(table: pa.Table) -> dict[str, Any]:
    """Return Hugging Face's description of the columns, if the file carries one."""
    text = (table.schema.metadata or {}).get(b"huggingface", b"{}")
    try:
        features = json.loads(text)["info"]["features"]
    except (ValueError, LookupError, TypeError, RecursionError):  # whatever a file says there
        return {}
    return {key: one for key, one in features.items() if isinstance(one, dict)} if isinstance(features, dict) else {}


def _is_image(table: pa.Table, field: pa.Field) -> bool:
    kind = field.type
    if pa.types.is_struct(kind):
        return "bytes" in {kind.field(i).name for i in range(kind.num_fields)}
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return any(_is_picture(value) for value in table.column(field.name)[:20].to_pylist() if value)
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return False
    first = next((value for value in table.column(field.name)[:100].cast(pa.large_binary()).to_pylist() if value), b"")
    return Path(first.decode(errors="replace")).suffix.lower() in IMAGE_SUFFIXES


def _is_picture(value: bytes) -> bool:
    """Ask Pillow whether it is a picture of a kind that is read."""
    from headstart.data.pictures import open_picture

    try:
        open_picture(io.BytesIO(value)).close()
    except Exception:  # a broken file can make a decoder raise anything
        return False
    return True


def _read_parquet(path: Path, form: TableFormat) -> _Read:  # noqa: ARG001
    return read_parquet(path), (), None


def _read_csv(path: Path, form: TableFormat) -> _Read:
    return *read_delimited(path, form, ","), None


def _read_tsv(path: Path, form: TableFormat) -> _Read:
    return *read_delimited(path, form, "\t"), None


def _read_json(path: Path, form: TableFormat) -> _Read:  # noqa: ARG001
    table, is_leaf = read_json(path)
    return table, (), LEAF_CLIENT if is_leaf else None


READERS: Mapping[str, Callable[[Path, TableFormat], _Read]] = {
    ".parquet": _read_parquet,
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".jsonl": _read_json,
    ".ndjson": _read_json,
    ".json": _read_json,
}
