"""Parquet: what a file would take in memory is worked out from its description, before its rows are read.

Numbers take what their type says, whatever they are packed to. A text may be told once, in a dictionary, and be meant a
billion times: where that could fill the memory, the dictionaries are read and every use of theirs is counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from headstart.core.limits import check_memory, memory_limit

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 8, "FLOAT": 4, "DOUBLE": 8}
_OFFSET = 4
_WAY_OUT = "give fewer rows or columns"
_ROWS = 4096
"""Rows of which the dictionaries are looked at together."""


def read_parquet(path: Path) -> pa.Table:
    """Read a file, or a folder of files as one table.

    Raises:
        DataError: it would not fit into memory.
        ArrowException: it is not whole.
    """
    import pyarrow.parquet as pq

    files = [path] if path.is_file() else sorted(path.rglob("*.parquet"))
    needed = 0.0
    for file in files:
        with pq.ParquetFile(file) as opened:
            needed += _described(opened.metadata)
            check_memory("data.source", f"the table '{path.name}'", needed, _WAY_OUT)
            needed += _meant(opened.metadata, file, needed)
            check_memory("data.source", f"the table '{path.name}'", needed, _WAY_OUT)
    return pq.read_table(path)


def table_bytes(table: pa.Table) -> int:
    """Return the bytes of a table once its dictionaries, those at the top, are written out."""
    return int(table.nbytes) + sum(_written_out(chunk) for column in table.columns for chunk in column.chunks)


def _described(metadata: pq.FileMetaData) -> float:
    """Return the bytes of numbers and of the pages of texts, by the file's own description."""
    return float(sum(_bytes(metadata, chunk) for chunk, _ in _chunks(metadata)))


def _chunks(metadata: pq.FileMetaData) -> Iterator[tuple[pq.ColumnChunkMetaData, int]]:
    for group in range(metadata.num_row_groups):
        found = metadata.row_group(group)
        for position in range(found.num_columns):
            yield found.column(position), found.num_rows


def _bytes(metadata: pq.FileMetaData, chunk: pq.ColumnChunkMetaData) -> int:
    width = _WIDTHS.get(chunk.physical_type, _OFFSET)
    if chunk.physical_type == "FIXED_LEN_BYTE_ARRAY":
        lengths = (metadata.schema.column(i) for i in range(len(metadata.schema)))
        width = next(one.length for one in lengths if one.path == chunk.path_in_schema)
    pages = chunk.total_uncompressed_size if chunk.physical_type == "BYTE_ARRAY" else 0
    return int(chunk.num_values) * width + pages


def _meant(metadata: pq.FileMetaData, file: Path, known: float) -> float:
    """Return the bytes of texts that are told once and meant often, for columns where these could fill the memory."""
    room, suspects = memory_limit() - known, dict[str, int]()
    for chunk, _ in _chunks(metadata):
        if chunk.physical_type == "BYTE_ARRAY" and any("DICTIONARY" in encoding for encoding in chunk.encodings):
            most = chunk.num_values * chunk.total_uncompressed_size
            suspects[chunk.path_in_schema] = suspects.get(chunk.path_in_schema, 0) + most
    return sum(_uses(file, name, room) for name, most in suspects.items() if most > room)


def _uses(file: Path, column: str, room: float) -> float:
    """Count the bytes of a column's texts, each use of a text of a dictionary; stop where there is no more room."""
    import pyarrow.parquet as pq

    total = 0.0
    with pq.ParquetFile(file, read_dictionary=[column]) as opened:
        for batch in opened.iter_batches(batch_size=_ROWS, columns=[column]):
            total += sum(_written_out(array) for array in batch.columns)
            if total > room:
                break
    return total


def _written_out(array: pa.Array) -> int:
    """Return the bytes that the dictionaries in an array stand for, nested ones included."""
    kind = array.type
    if pa.types.is_struct(kind):
        return sum(map(_written_out, array.flatten()))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _written_out(array.flatten())
    if not pa.types.is_dictionary(kind):
        return 0
    values = array.dictionary
    if not (pa.types.is_string(values.type) or pa.types.is_binary(values.type)):
        return 8 * len(array)
    lengths = pc.binary_length(values).cast(pa.int64())
    return int(pc.sum(lengths.take(array.indices)).as_py() or 0) + _OFFSET * len(array)
