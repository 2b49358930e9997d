"""What a table's column can be to a network: numbers, vectors of numbers, or none, and why."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headstart.core.errors import DataError
from headstart.data.dates import is_date, looks_dated
from headstart.data.sources import Source
from headstart.data.sources.numbers import ambiguous_cell, first_code, words_in
from headstart.data.vectors import MOST_INPUTS, is_vector, vector_shape

_SETTING = "data.columns"
_ONE_HOT = "data.one_hot makes inputs of categories"
_DATES = "data.dates makes days of them"


def is_numeric(kind: pa.DataType) -> bool:
    """Say whether a column of this type is one input."""
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_decimal(kind)
    )


def shape_of(source: Source, name: str) -> tuple[int, ...] | None:
    """Return the shape of a column of vectors; None of any other, and of vectors that cannot be inputs."""
    column = source.column(name, _SETTING)
    shape = vector_shape(column) if is_vector(column.type) else None
    return shape if shape is not None and 0 < np.prod(shape) <= MOST_INPUTS else None


def why_no_numbers(source: Source, name: str) -> str | None:
    """Say why a column is no input where nobody asked for it; None if it can be one.

    Raises:
        DataError: it holds numbers but for a few words, or numbers that may be meant in two ways.
    """
    column = source.column(name, _SETTING)
    if _is_empty(column):
        return "no value at all"
    if is_numeric(column.type) or shape_of(source, name) is not None:
        return None
    if is_vector(column.type):
        return "lists of differing or too great length"
    _check_words(source, name)
    if looks_dated(column):
        return f"holds dates as text; {_DATES}"
    code = first_code(column)
    return f"codes with leading zeros, such as '{code}'; {_ONE_HOT}" if code else kind_in_words(column.type)


def check_numbers(source: Source, name: str, *, may_be_empty: bool = False) -> None:
    """Check that a column that was asked for can be an input.

    Raises:
        DataError: there is no such column, or it holds no numbers, where it is empty too unless it ``may_be_empty``.
    """
    column = source.column(name, _SETTING)
    if is_numeric(column.type) or shape_of(source, name) is not None:
        return
    _check_words(source, name)
    if _is_empty(column):
        if may_be_empty:
            return
        raise DataError(f"{_SETTING}: '{name}' of '{source.name}' has no value at all; leave it out")
    first = next((value for value in column[:1000].to_pylist() if value is not None), None)
    way_out = "make its lists one length" if pa.types.is_nested(column.type) else f"add it to {_encoder(column)}"
    raise DataError(
        f"{_SETTING}: '{name}' of '{source.name}' holds {column.type}, not numbers, such as {str(first)[:40]!r}; "
        f"{way_out}, or leave it out"
    )


def _encoder(column: pa.ChunkedArray) -> str:
    return "data.dates" if is_date(column.type) or looks_dated(column) else "data.one_hot"


def kind_in_words(kind: pa.DataType) -> str:
    """Say what a column without numbers holds."""
    if is_date(kind):
        return f"holds dates ({kind}); {_DATES}"
    if pa.types.is_temporal(kind):
        return f"holds times ({kind})"
    return f"holds {kind}, not numbers" + ("" if pa.types.is_nested(kind) else f"; {_ONE_HOT}")


def _check_words(source: Source, name: str) -> None:
    """Check that a column of text is not one of numbers but for some cells; else value and row are named."""
    column = source.column(name, _SETTING)
    doubtful = ambiguous_cell(column, source.form)
    if doubtful is not None:
        raise DataError(
            f"data.decimal: column '{name}' of '{source.name}' holds '{doubtful[0]}' in row "
            f"{source.row_numbers[doubtful[1]]}, which may be meant in two ways; say data.decimal = ',' (a decimal "
            "comma) or '.' (commas group thousands)"
        )
    found = words_in(column, source.form)
    if found is not None:
        words = ", ".join(f'"{word}"' for word in found.words)
        raise DataError(
            f"{_SETTING}: '{name}' of '{source.name}' holds numbers, but '{found.words[0]}' in row "
            f"{source.row_numbers[found.row]} (no numbers: {found.count} of {len(column)} cells); where that means an "
            f"empty cell say data.missing_words = [{words}], else mend it, add the column to data.one_hot, or name the "
            f"inputs with {_SETTING}"
        )


def _is_empty(column: pa.ChunkedArray) -> bool:
    """Say whether a column has no value: empty cells and NaN alone."""
    if column.null_count == len(column):
        return True
    return bool(pa.types.is_floating(column.type) and pc.all(pc.is_nan(column)).as_py())
