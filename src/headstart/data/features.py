"""A table's input columns as one array of numbers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headstart.core.arrays import Array
from headstart.core.errors import DataError, nearest
from headstart.data.account import Dropped, Finding, Findings
from headstart.data.sources import Source
from headstart.data.sources.numbers import ambiguous_cell, first_code, words_in
from headstart.data.vectors import MOST_INPUTS, is_vector, vector_names, vector_shape, vector_values

_TEXT = "text; data.one_hot makes categories of it"


@dataclass(frozen=True)
class Chosen:
    """The columns that inputs are made of, and those that are left.

    Attributes:
        columns: names of columns, in order.
        dropped: columns that play no part, each with its reason; empty where the inputs were named.
    """

    columns: tuple[str, ...]
    dropped: tuple[Dropped, ...] = ()

    def findings(self, source: Source) -> Findings:
        """Return the records, and one note on them."""
        if not self.dropped:
            return ()
        reasons = dict.fromkeys(one.why for one in self.dropped)
        groups = [f"{_listing(one.name for one in self.dropped if one.why == why)} ({why})" for why in reasons]
        records: tuple[Finding, ...] = self.dropped
        return (*records, f"columns of '{source.name}' that are no inputs: {'; '.join(groups)}")


def choose_columns(
    source: Source,
    columns: tuple[str, ...] | None,
    one_hot: tuple[str, ...],
    taken: Collection[str | None],
    named: Mapping[str, str],
) -> Chosen:
    """Choose the input columns: numbers, vectors of numbers, and categories.

    Args:
        source: the table.
        columns: input columns; None takes every numeric or one-hot column that is not ``taken`` and no identifier.
        one_hot: columns of categories.
        taken: columns that play another part (label, client, …).
        named: columns, such as identifiers, that are inputs only where they are asked for, each with the reason.

    Raises:
        DataError: a column is missing or has no numbers, a column of numbers holds words, or nothing is left.
    """
    asked = columns if columns is not None else tuple(name for name in source.table.column_names if name not in taken)
    for name in one_hot:
        if name not in asked:
            raise DataError(f"data.one_hot: '{name}' is not an input column; {nearest(name, asked)}")
    if columns is not None:
        for name in columns:
            _check_numbers(source, name, one_hot)
        return Chosen(columns)
    reasons = {name: None if name in one_hot else _why_not(source, name, named) for name in asked}
    dropped = tuple(Dropped(name, why) for name, why in reasons.items() if why is not None)
    return Chosen(tuple(name for name, why in reasons.items() if why is None), dropped)


def column_names(source: Source, chosen: Chosen, one_hot: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the inputs: numeric columns as they are, categories as ``column=value``, vectors as ``x[0]``.

    The first category of each one-hot column, in sorted order, is the reference and has no input of its own.

    Raises:
        DataError: a column has too many categories, or nothing is left.
    """
    if not chosen.columns:
        left = "; ".join(f"'{one.name}': {one.why}" for one in chosen.dropped[:5])
        raise DataError(
            f"data.columns: '{source.name}' has no numeric column left to learn from ({left or 'no other column'}); "
            "name the input columns, or the column of texts with data.text"
        )
    names: list[str] = []
    for name in chosen.columns:
        shape = None if name in one_hot else _shape(source, name)
        if name in one_hot:
            names += _categories(source, name)
        else:
            names += [name] if shape is None else vector_names(name, shape)
    return tuple(names)


def input_values(source: Source, names: Sequence[str], one_hot: tuple[str, ...]) -> Array:
    """Return the inputs ``(rows, names)`` float32; NaN where a value is missing or infinite.

    Raises:
        DataError: a column is missing.
    """
    values = np.empty((len(source), len(names)), dtype=np.float32)
    vectors = _vectors(source, {name.rpartition("[")[0] for name in names})
    for position, name in enumerate(names):
        column, _, category = name.rpartition("=")
        if column in one_hot:
            values[:, position] = _indicator(source, column, category)
        else:
            values[:, position] = vectors[name] if name in vectors else _numbers(source, name)
    values[~np.isfinite(values)] = np.nan
    return values


def _listing(names: Iterable[str]) -> str:
    listed = [f"'{name}'" for name in names]
    return ", ".join(listed[:10]) + (f" and {len(listed) - 10} more" if len(listed) > 10 else "")


def _why_not(source: Source, name: str, named: Mapping[str, str]) -> str | None:
    """Say why a column is no input where nobody asked for it; None if it is one.

    Raises:
        DataError: it holds numbers but for a few words.
    """
    column = source.column(name, "data.columns")
    if name in named:
        return named[name]
    if _is_empty(column):
        return "no value at all"
    if _is_numeric(column.type):
        return None
    if is_vector(column.type):
        return None if _shape(source, name) is not None else "lists of differing or too great length"
    _check_words(source, name)
    code = first_code(column)
    return f"codes with leading zeros, such as '{code}'; {_TEXT}" if code else _kind_in_words(column.type)


def _check_numbers(source: Source, name: str, one_hot: tuple[str, ...]) -> None:
    """Check that a column that was asked for can be an input."""
    column = source.column(name, "data.columns")
    if name in one_hot or _is_numeric(column.type) or _shape(source, name) is not None:
        return
    _check_words(source, name)
    if _is_empty(column):
        raise DataError(f"data.columns: '{name}' of '{source.name}' has no value at all; leave it out")
    first = next((value for value in column[:1000].to_pylist() if value is not None), None)
    way_out = (
        "make its lists one length, or leave it out" if pa.types.is_nested(column.type) else "add it to data.one_hot"
    )
    raise DataError(
        f"data.columns: '{name}' of '{source.name}' holds {column.type}, not numbers, such as {str(first)[:40]!r}; "
        f"{way_out}, or leave it out"
    )


def _check_words(source: Source, name: str) -> None:
    """Check that a column of text is not one of numbers but for some cells.

    Raises:
        DataError: it is; value and row are named.
    """
    column = source.column(name, "data.columns")
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
            f"data.columns: '{name}' of '{source.name}' holds numbers, but '{found.words[0]}' in row "
            f"{source.row_numbers[found.row]} (no numbers: {found.count} of {len(column)} cells); where that means an "
            f"empty cell say data.missing_words = [{words}], else mend it, add the column to data.one_hot, or name the "
            "inputs with data.columns"
        )


def _shape(source: Source, name: str) -> tuple[int, ...] | None:
    """Return the shape of a column of vectors; None of any other, and of vectors that cannot be inputs."""
    column = source.column(name, "data.columns")
    shape = vector_shape(column) if is_vector(column.type) else None
    return shape if shape is not None and 0 < np.prod(shape) <= MOST_INPUTS else None


def _vectors(source: Source, bases: Collection[str]) -> dict[str, Array]:
    """Return the inputs that come from columns of vectors, by name."""
    found: dict[str, Array] = {}
    for base in sorted(set(source.table.column_names) & set(bases)):
        shape = _shape(source, base)
        if shape is not None:
            values = vector_values(source.column(base, "data.columns"))
            found |= dict(zip(vector_names(base, shape), values.T, strict=True))
    return found


def _numbers(source: Source, name: str) -> Array:
    _check_numbers(source, name, ())
    column = source.column(name, "data.columns")
    return np.asarray(pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def _indicator(source: Source, column: str, category: str) -> Array:
    texts = source.texts(column, "data.one_hot")
    return np.array([np.nan if text is None else float(text == category) for text in texts])


def _categories(source: Source, name: str) -> list[str]:
    found = sorted({text for text in source.texts(name, "data.one_hot") if text is not None})
    if len(found) > 100:
        raise DataError(
            f"data.one_hot: '{name}' has {len(found)} categories, at most 100 are allowed; drop the column or join them"
        )
    return [f"{name}={category}" for category in found[1:]]


def _is_empty(column: pa.ChunkedArray) -> bool:
    """Say whether a column has no value: empty cells and NaN alone."""
    if column.null_count == len(column):
        return True
    return bool(pa.types.is_floating(column.type) and pc.all(pc.is_nan(column)).as_py())


def _kind_in_words(kind: pa.DataType) -> str:
    if pa.types.is_temporal(kind):
        return "dates or times"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _TEXT
    return f"{kind}, which is no number"


def _is_numeric(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_decimal(kind)
    )
