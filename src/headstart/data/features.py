"""A table's input columns as one array of numbers; categories have a place in it and are encoded later."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np

from headstart.core.arrays import Array
from headstart.core.errors import DataError
from headstart.data.account import Findings
from headstart.data.choose import Chosen
from headstart.data.column_kinds import check_numbers, is_numeric, kind_in_words, shape_of
from headstart.data.dates import days_of
from headstart.data.near_names import near_equal
from headstart.data.sources import Source
from headstart.data.sources.numbers import floats
from headstart.data.vectors import vector_names, vector_values

_LOST = 1e-4
"""Of a column's deviation, that rounding to float32 may take."""

MISSING = " is missing"
"""How the name of an input ends that says where a column is empty."""


def number_names(source: Source, chosen: Chosen, one_hot: tuple[str, ...]) -> tuple[str, ...]:
    """Return the chosen columns, those of vectors as the inputs ``x[0]``, ``x[1]``, … that they become.

    Raises:
        DataError: nothing is left.
    """
    if not chosen.columns:
        left = "; ".join(f"'{one.name}': {one.why}" for one in chosen.dropped[:5])
        raise DataError(
            f"data.columns: '{source.name}' has no numeric column left to learn from ({left or 'no other column'}); "
            "name the input columns, or the column of texts with data.text"
        )
    names: list[str] = []
    for name in chosen.columns:
        shape = None if name in one_hot else shape_of(source, name)
        names += [name] if shape is None else vector_names(name, shape)
    return tuple(names)


def input_values(source: Source, names: Sequence[str], one_hot: Collection[str], dates: Collection[str] = ()) -> Array:
    """Return columns as numbers ``(rows, names)`` float64; NaN where a value is missing, or infinite as float32.

    They are what float32 makes of them, as they will be once they are at one scale, unless that loses what varies: of a
    date in seconds few digits would be left. A category is not encoded yet: where there is one, its column has 0.

    Raises:
        DataError: a column is missing, or a date cannot be read.
    """
    values = np.empty((len(source), len(names)))
    vectors = _vectors(source, {name.rpartition("[")[0] for name in names})
    for position, name in enumerate(names):
        if name in one_hot:
            values[:, position] = _filled(source, name)
        elif name in dates:
            values[:, position] = days_of(source, name, "data.dates")
        else:
            values[:, position] = vectors[name] if name in vectors else _numbers(source, name)
    values[~(np.abs(values) <= np.finfo(np.float32).max)] = np.nan
    for position in range(len(names)):
        values[:, position] = _as_float32(values[:, position])
    return values


def _as_float32(values: Array) -> Array:
    """Return what float32 makes of a column, unless that loses what varies."""
    near, filled = values.astype(np.float32).astype(np.float64), ~np.isnan(values)
    lost, spread = np.abs(near - values)[filled], values[filled].std() if filled.any() else 0.0
    return values if spread and lost.max() > _LOST * spread else near


def column_of(name: str, columns: Collection[str]) -> str:
    """Return the column that an input is made of.

    >>> columns = {"age", "town", "x"}
    >>> [column_of(name, columns) for name in ("age", "town=b", "town=b=c", "x[0,1]", "age is missing")]
    ['age', 'town', 'town', 'x', 'age']
    """
    ends = [place for place, sign in enumerate(name) if sign == "="]
    bases = (name, name.removesuffix(MISSING), *(name[:end] for end in ends), name.rpartition("[")[0])
    return next((base for base in bases if base in columns), name)


def made_of(column: str, names: Collection[str]) -> bool:
    """Say whether some input is made of a column.

    >>> made_of("x", ["age", "x[0]"]), made_of("dose", ["age", "x[0]"])
    (True, False)
    """
    return any(column_of(name, (column,)) == column for name in names)


def near_categories(source: Source, one_hot: tuple[str, ...]) -> Findings:
    """Note categories of nearly one name, which are one input each."""
    found = {name: near_equal(text for text in source.texts(name, "data.one_hot") if text) for name in one_hot}
    return tuple(
        f"categories of '{name}' whose names are nearly equal, and may be one: "
        + "; ".join(" and ".join(map(repr, group)) for group in groups[:5])
        for name, groups in found.items()
        if groups
    )


def why_no_input(source: Source, name: str) -> str:
    """Say why a column without a part cannot be an input of a table; empty where it could be."""
    kind = source.table.schema.field(name).type
    return "" if is_numeric(kind) or shape_of(source, name) is not None else kind_in_words(kind)


def categories_in(source: Source, name: str) -> Counter[str]:
    """Count the rows of each category of a column."""
    return Counter(text for text in source.texts(name, "data.one_hot") if text is not None)


def _vectors(source: Source, bases: Collection[str]) -> dict[str, Array]:
    """Return the inputs that come from columns of vectors, by name."""
    found: dict[str, Array] = {}
    for base in sorted(set(source.table.column_names) & set(bases)):
        shape = shape_of(source, base)
        if shape is not None:
            values = vector_values(source.column(base, "data.columns"))
            found |= dict(zip(vector_names(base, shape), values.T, strict=True))
    return found


def _numbers(source: Source, name: str) -> Array:
    check_numbers(source, name, may_be_empty=True)
    return floats(source.column(name, "data.columns"))


def _filled(source: Source, column: str) -> Array:
    return np.array([np.nan if text is None else 0.0 for text in source.texts(column, "data.one_hot")])
