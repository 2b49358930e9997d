"""Columns of text that hold numbers alone become numbers, by one rule for every kind of file.

A cell without a letter is empty, and nothing else is: NA, null, nan or n/a are words. A column is numeric where every
filled cell is a number, and of truth values where every one is true or false. Numbers with leading zeros are codes,
and stay text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headstart.core.arrays import Array
from headstart.core.errors import DataError
from headstart.data.sources.table_format import TableFormat

_EXPONENT = r"([eE][+-]?\d+)?"
_INF = r"[+-]?[iI][nN][fF]([iI][nN][iI][tT][yY])?"
_WITH_POINT = rf"^([+-]?(\d+\.?\d*|\.\d+){_EXPONENT}|{_INF})$"
_WITH_COMMA = rf"^[+-]?(\d+(,\d*)?|,\d+){_EXPONENT}$"
_POINTS_GROUP = r"^[+-]?(\d+|[1-9]\d{0,2}(\.\d{3})+)(,\d*)?$"
_COMMAS_GROUP = r"^[+-]?(\d+|[1-9]\d{0,2}(,\d{3})+)(\.\d*)?$"
_ONE_GROUP = {",": r"^[+-]?[1-9]\d{0,2},\d{3}$", ".": r"^[+-]?[1-9]\d{0,2}\.\d{3}$"}
_STARTS = (*(b"%d" % digit for digit in range(10)), b"i", b"I")
"""With what a number begins, but for signs, points and commas."""
_CODE = r"^[+-]?0\d+$"
_SAMPLE = 100


def floats(column: pa.ChunkedArray) -> Array:
    """Return numbers, rounded where they have more digits than 15; NaN where a cell is empty.

    >>> floats(pa.chunked_array([[2**53 + 1, None]])).tolist()
    [9007199254740992.0, nan]
    """
    return np.asarray(pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=np.float64)


@dataclass(frozen=True)
class _Words:
    """Cells that are no numbers in a column that else holds numbers.

    Attributes:
        words: up to three of them.
        row: index of the first.
        count: how many cells.
    """

    words: tuple[str, ...]
    row: int
    count: int


def typed_table(table: pa.Table, form: TableFormat, name: str) -> tuple[pa.Table, tuple[str, ...]]:
    """Turn columns of text that hold numbers or truth values alone into such; and say where a comma was decimal.

    Raises:
        DataError: a column may be meant in two ways, such as '1.234' beside decimal commas.
    """
    read = [_typed(column, form) if _is_text(column.type) else (column, False) for column in table.columns]
    # A table that is made at once, for one of thousands of columns is slow to change column by column.
    typed = pa.Table.from_arrays([column for column, _ in read], schema=_with_types(table.schema, read))
    commas = [column for column, (_, is_comma) in zip(table.column_names, read, strict=True) if is_comma]
    if not commas or form.decimal is not None:
        return typed, ()
    _check_points(table, commas[0], name)
    listing = ", ".join(f"'{column}'" for column in commas[:5])
    return typed, (f"'{name}': read with a decimal comma: {listing}",)


def _with_types(schema: pa.Schema, read: Sequence[tuple[pa.ChunkedArray, bool]]) -> pa.Schema:
    fields = [field.with_type(column.type).with_nullable(True) for field, (column, _) in zip(schema, read, strict=True)]
    return pa.schema(fields, metadata=schema.metadata)


def words_in(column: pa.ChunkedArray, form: TableFormat) -> _Words | None:
    """Find the words in a column of text of which at least half the filled cells are numbers; None in any other."""
    if not _is_text(column.type):
        return None
    cells = _cells(column, form)
    numbers = pc.or_(_match(cells, _WITH_POINT), _match(cells, _WITH_COMMA))
    total, right = len(cells) - cells.null_count, pc.sum(numbers).as_py() or 0
    if right == total or 2 * right < total:
        return None
    rows = _rows(pc.invert(numbers))
    found = dict.fromkeys(cells[int(row)].as_py() for row in rows[:1000])
    return _Words(tuple(found)[:3], int(rows[0]), len(rows))


def ambiguous_cell(column: pa.ChunkedArray, form: TableFormat) -> tuple[str, int] | None:
    """Return the first cell, and its row, of a column such as '1,234', where the comma may be decimal or not."""
    if not _is_text(column.type) or form.decimal is not None:
        return None
    cells = _cells(column, form)
    if not _all(cells, _WITH_COMMA) or not _may_be_groups(cells, ","):
        return None
    row = int(_rows(pc.match_substring(cells, ","))[0])
    return cells[row].as_py(), row


def first_code(column: pa.ChunkedArray) -> str | None:
    """Return the first number with leading zeros in a column of text that holds numbers alone."""
    if not _is_text(column.type):
        return None
    cells = _cells(column, TableFormat())
    codes = pc.filter(cells, pc.fill_null(_match(cells, _CODE), False))
    return str(codes[0].as_py()) if len(codes) and _all(cells, _WITH_POINT) else None


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _typed(column: pa.ChunkedArray, form: TableFormat) -> tuple[pa.ChunkedArray, bool]:
    """Return a column as numbers or truth values if it holds them alone, and whether its commas are decimal."""
    if not _looks_typed(column, form):
        return column, False
    cells = _cells(column, form)
    if cells.null_count == len(cells):
        return column, False
    truth = pc.is_in(pc.utf8_lower(cells), pa.array(["true", "false", None], cells.type))
    if pc.all(truth).as_py():
        return pc.cast(pc.utf8_lower(cells), pa.bool_()), False
    numbers = _plain_numbers(cells) if form.decimal != "," else None
    if numbers is not None:
        return numbers, False
    written = _with_point(cells, form)
    numbers = None if written is None else _plain_numbers(written[0])
    return (column, False) if written is None or numbers is None else (numbers, written[1])


def _looks_typed(column: pa.ChunkedArray, form: TableFormat) -> bool:
    """Look at the first cells alone: a column of texts is told at once, whatever bytes it holds."""
    sample = column[:_SAMPLE].cast(pa.large_binary()).to_pylist()
    words = {word.encode() for word in form.missing_words} | {b"", b"true", b"false"}
    filled = [cell.strip() for cell in sample if cell is not None]
    return all(cell.lower() in words or cell in words or _starts_number(cell) for cell in filled)


def _starts_number(cell: bytes) -> bool:
    return len(cell) < 400 and cell.lstrip(b"+-.,")[:1] in _STARTS


def _cells(column: pa.ChunkedArray, form: TableFormat) -> pa.ChunkedArray:
    """Return a column's text without blanks around it, empty cells and missing words as nulls."""
    cells = pc.utf8_trim_whitespace(column)
    nothing = pc.is_in(cells, pa.array(["", *form.missing_words], cells.type))
    return pc.if_else(nothing, pa.scalar(None, cells.type), cells)


def _plain_numbers(cells: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Read numbers with a decimal point; None where a cell is no number, or one with leading zeros."""
    try:
        whole = pc.cast(cells, pa.int64())
        # A whole number that is written longer than need be has a leading zero, or is hexadecimal.
        lengths = [pc.sum(pc.binary_length(one)).as_py() for one in (cells, pc.cast(whole, pa.string()))]
        if lengths[0] == lengths[1]:
            return whole
    except pa.ArrowInvalid:
        pass
    if not _all(cells, _WITH_POINT) or pc.any(_match(cells, _CODE)).as_py():
        return None
    unsigned = pc.replace_substring_regex(cells, r"^\+", "")
    for kind in (pa.int64(), pa.float64()):
        try:
            return pc.cast(unsigned, kind)
        except pa.ArrowInvalid:
            if _all(unsigned, r"^-?\d+$"):
                return None  # more digits than a whole number has are a name
    return None


def _with_point(cells: pa.ChunkedArray, form: TableFormat) -> tuple[pa.ChunkedArray, bool] | None:
    """Write numbers that have commas with a point, and say whether the comma was decimal; None of other cells."""
    if form.decimal == ".":
        return (_without(cells, ","), False) if _all(cells, _COMMAS_GROUP) else None
    if _all(cells, _WITH_COMMA if form.decimal is None else _POINTS_GROUP):
        if form.decimal is None and _may_be_groups(cells, ","):
            return None
        return _comma_to_point(cells), True
    if form.decimal == ",":
        return (cells, False) if _all(cells, _WITH_POINT) else None
    if _all(cells, _COMMAS_GROUP):
        return _without(cells, ","), False  # '1,234.5' and '1,234,567' can mean one thing only
    return (_comma_to_point(cells), True) if _all(cells, _POINTS_GROUP) else None


def _may_be_groups(cells: pa.ChunkedArray, sign: str) -> bool:
    """Say whether every cell with the sign looks like '1,234': three digits behind it."""
    signed = pc.filter(cells, pc.fill_null(pc.match_substring(cells, sign), False))
    return len(signed) > 0 and _all(signed, _ONE_GROUP[sign])


def _check_points(table: pa.Table, with_comma: str, name: str) -> None:
    """Refuse '1.234' in a file of decimal commas, where the point may group thousands."""
    for field in table.schema:
        if not _is_text(field.type) or not _looks_typed(table.column(field.name), TableFormat()):
            continue
        cells = _cells(table.column(field.name), TableFormat())
        if _all(cells, _WITH_POINT) and _may_be_groups(cells, "."):
            row = int(_rows(pc.match_substring(cells, "."))[0])
            raise DataError(
                f"data.decimal: column '{field.name}' of '{name}' holds '{cells[row].as_py()}' in row {row}, and "
                f"'{with_comma}' decimal commas; say which with data.decimal = ',' (points group thousands) or '.'"
            )


def _rows(mask: pa.ChunkedArray) -> Array:
    """Return the indices where a mask holds."""
    return np.flatnonzero(np.asarray(pc.fill_null(mask, False).to_numpy(), dtype=bool))


def _without(cells: pa.ChunkedArray, sign: str) -> pa.ChunkedArray:
    return pc.replace_substring(cells, sign, "")


def _comma_to_point(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.replace_substring(_without(cells, "."), ",", ".")


def _match(cells: pa.ChunkedArray, pattern: str) -> pa.ChunkedArray:
    return pc.match_substring_regex(cells, pattern)


def _all(cells: pa.ChunkedArray, pattern: str) -> bool:
    return bool(pc.all(_match(cells, pattern)).as_py() is not False)
