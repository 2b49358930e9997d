"""Parquet: what a file would take in memory is worked out before its rows are read.

Numbers take what their type says, whatever they are packed to. A text may be told once, in a dictionary, and be meant a
billion times: where that could fill the memory, the column is read a few rows at a time first, and counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from headstart.core.errors import DataError
from headstart.core.limits import check_memory, memory_limit
from headstart.data.sources.parquet_pages import pages

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 8, "FLOAT": 4, "DOUBLE": 8}
_OFFSET = 4
_WAY_OUT = "give fewer rows or columns"
_MOST_ROWS = 2**16
_PARTS = 8
"""Rows are counted so many at a time that they take at most this part of the room."""


@dataclass(frozen=True)
class _Texts:
    """A column of texts in one group of rows.

    Attributes:
        column: its path.
        is_list: whether a row may hold several texts.
        count: texts.
        told: bytes of its pages.
        longest: a text of its dictionary has at most so many bytes.
    """

    column: str
    is_list: bool
    count: int
    told: int
    longest: int

    @property
    def most(self) -> int:
        """Bytes that it may take at most."""
        return self.told + self.count * (self.longest + _OFFSET)


def read_parquet(path: Path) -> pa.Table:
    """Read a file, or a folder of files as one table.

    Raises:
        DataError: it would not fit into memory, or a page is none.
        ArrowException: it is not whole.
    """
    import pyarrow.parquet as pq

    total, what = 0.0, f"the table '{path.name}'"
    for file in [path] if path.is_file() else sorted(path.rglob("*.parquet")):
        with ExitStack() as stack:
            opened = stack.enter_context(pq.ParquetFile(file))
            raw = stack.enter_context(file.open("rb"))
            total += _numbers(opened.metadata)
            check_memory("data.source", what, total, _WAY_OUT)
            total += _texts(opened.metadata, file, raw, memory_limit() - total)
            check_memory("data.source", what, total, _WAY_OUT)
    return pq.read_table(path)


def table_bytes(table: pa.Table) -> int:
    """Return the bytes of a table once its dictionaries are written out."""
    return int(table.nbytes) + sum(_written_out(chunk) for column in table.columns for chunk in column.chunks)


def _chunks(metadata: pq.FileMetaData) -> Iterator[tuple[pq.ColumnChunkMetaData, pq.ColumnSchema]]:
    for group in range(metadata.num_row_groups):
        found = metadata.row_group(group)
        for position in range(found.num_columns):
            yield found.column(position), metadata.schema.column(position)


def _numbers(metadata: pq.FileMetaData) -> float:
    """Return the bytes of all columns but those of texts."""
    return float(
        sum(
            chunk.num_values * (_WIDTHS.get(chunk.physical_type) or max(1, column.length))
            for chunk, column in _chunks(metadata)
            if chunk.physical_type != "BYTE_ARRAY"
        )
    )


def _texts(metadata: pq.FileMetaData, file: Path, raw: BinaryIO, room: float) -> float:
    """Return the bytes of the columns of texts; those that could fill the room are counted."""
    found: dict[str, list[_Texts]] = {}
    for chunk, column in _chunks(metadata):
        if chunk.physical_type == "BYTE_ARRAY":
            found.setdefault(chunk.path_in_schema, []).append(_described(chunk, column, raw, file.name))
    total = 0.0
    for parts in found.values():
        told = float(sum(part.told for part in parts))
        if total + told > room:
            return total + told
        most = float(sum(part.most for part in parts))
        total += most if total + most <= room else _counted(file, parts, room - total)
    return total


def _described(chunk: pq.ColumnChunkMetaData, column: pq.ColumnSchema, raw: BinaryIO, name: str) -> _Texts:
    offsets = [chunk.data_page_offset]
    if chunk.has_dictionary_page and chunk.dictionary_page_offset is not None:
        offsets.append(chunk.dictionary_page_offset)
    # A column without rows says 0 of the page that it has not.
    start = min(filter(None, offsets), default=0)
    try:
        found = list(pages(raw, start, chunk.total_compressed_size))
    except ValueError as error:
        raise DataError(f"data.source: cannot read '{name}' ({error}); check that the file is whole") from None
    longest = max((size for is_dictionary, size in found if is_dictionary), default=0)
    is_list = column.max_repetition_level > 0
    return _Texts(chunk.path_in_schema, is_list, chunk.num_values, sum(size for _, size in found), longest)


def _counted(file: Path, parts: list[_Texts], room: float) -> float:
    """Read a column a few rows at a time, and count its bytes; stop where there is no more room."""
    import pyarrow.parquet as pq

    column, longest = parts[0].column, max(part.longest for part in parts)
    rows = int(min(_MOST_ROWS, max(1.0, room / _PARTS / max(1, longest))))
    total = 0.0
    # Lists are read with their dictionaries: nobody knows how many texts a row of them has.
    with pq.ParquetFile(file, read_dictionary=[column] if parts[0].is_list else []) as opened:
        for batch in opened.iter_batches(batch_size=rows, columns=[column], use_threads=False):
            total += batch.nbytes + sum(map(_written_out, batch.columns))
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
