"""What every kind of source becomes: a table of rows, and what is known of its columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from headstart.core.arrays import Array
from headstart.core.errors import DataError, nearest
from headstart.data.sources.table_format import TableFormat


@dataclass(frozen=True, eq=False)
class Source:
    """Rows as they were found, nothing decoded.

    Attributes:
        name: a short name, which also begins the ids of rows that have none.
        table: one row per example.
        class_names: names behind a column's integers (Hugging Face's ClassLabel).
        image_column: the column of encoded images (bytes, a struct of bytes and path, or paths); None for a
            table.
        id_column: column of names that the source itself gives, such as a file's path.
        client_column: column that says whose example a row is, where the source's own layout says so.
        folder: where relative image paths start.
        form: how cells are written, for what is read of them later.
        pixels: images already decoded, ``(rows, channels, height, width)`` uint8, in place of an image
            column.
        rows: numbers of the rows in the source as it was opened; None means all of them.
        notes: what a reader should know.
    """

    name: str
    table: pa.Table
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    image_column: str | None = None
    id_column: str | None = None
    client_column: str | None = None
    folder: Path | None = None
    form: TableFormat = TableFormat()
    pixels: Array | None = None
    rows: Array | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def take(self, rows: Array) -> Source:
        """Keep the rows of these ascending indices; nothing is copied when all are kept."""
        if len(rows) == len(self):
            return self
        pixels = None if self.pixels is None else self.pixels[rows]
        return replace(self, table=self.table.take(pa.array(rows)), pixels=pixels, rows=self.row_numbers[rows])

    def in_order_of(self, names: Sequence[str | None]) -> Source:
        """Sort the rows by a name each; the parts of a path are compared one by one."""
        order = sorted(range(len(self)), key=lambda row: str(names[row]).split("/"))
        if order == list(range(len(self))):
            return self
        pixels = None if self.pixels is None else self.pixels[order]
        return replace(self, table=self.table.take(pa.array(order)), pixels=pixels, rows=self.row_numbers[order])

    @property
    def row_numbers(self) -> Array:
        """Numbers of the rows in the source as it was opened, int64."""
        return np.arange(len(self)) if self.rows is None else self.rows

    def column(self, name: str, setting: str) -> pa.ChunkedArray:
        """Return a column.

        Raises:
            DataError: there is no such column; ``setting`` says who asked for it.
        """
        if self.table.schema.get_field_index(name) < 0:
            raise DataError(
                f"{setting}: '{self.name}' has no column '{name}'; {nearest(name, self.table.column_names)}"
            )
        return self.table.column(name)

    def texts(self, name: str, setting: str) -> list[str | None]:
        """Return a column's values as text: class names for class numbers, '2' for 2.0, None where empty.

        Raises:
            DataError: no such column, one of lists, or a class number outside the named classes.
        """
        names, column = self.class_names.get(name), self.column(name, setting)
        if pa.types.is_nested(column.type):
            raise DataError(
                f"{setting}: must be a column of single values, received '{name}' of '{self.name}', which holds "
                f"{column.type}, such as {column[0].as_py()!r:.60}; name another column"
            )
        values = column.to_pylist()
        if pa.types.is_float32(column.type):  # its shortest digits, not those of a wider number
            values = [value if value is None else float(str(np.float32(value))) for value in values]
        if names is None:
            return [_text(value) for value in values]
        return [self._class_name(value, names, setting) for value in values]

    def _class_name(self, value: Any, names: Sequence[str], setting: str) -> str | None:
        if value is None or value != value or value == -1:  # Hugging Face writes a missing label as -1
            return None
        if not 0 <= value < len(names):
            raise DataError(
                f"{setting}: label {value} in '{self.name}' is outside its {len(names)} classes (0 to "
                f"{len(names) - 1}); mend the file"
            )
        return str(names[int(value)])


def _text(value: Any) -> str | None:
    if value is None or value != value:  # NaN is not equal to itself
        return None
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return str(value).strip() or None
