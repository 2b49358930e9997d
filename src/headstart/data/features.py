"""A table's input columns as one array of numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headstart.core.arrays import Array
from headstart.core.errors import DataError
from headstart.data.account import Dropped, Encoded, Findings, Used
from headstart.data.choose import Chosen
from headstart.data.column_kinds import check_numbers, is_numeric, kind_in_words, shape_of
from headstart.data.near_names import near_equal
from headstart.data.sources import Source
from headstart.data.vectors import vector_names, vector_values


def column_names(source: Source, chosen: Chosen, one_hot: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the inputs: as ``number_names``, categories as ``column=value``.

    The first category of each one-hot column, in sorted order, is the reference and has no input of its own.

    Raises:
        DataError: a column has too many categories, or nothing is left.
    """
    names: list[str] = []
    for name in number_names(source, chosen, one_hot):
        names += one_hot_names(name, categories(source, name)) if name in one_hot else [name]
    return tuple(names)


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


def column_of(name: str, columns: Collection[str]) -> str:
    """Return the column that an input is made of.

    >>> [column_of(name, {"age", "town", "x"}) for name in ("age", "town=b", "x[0,1]")]
    ['age', 'town', 'x']
    """
    bases = (name, name.rpartition("=")[0], name.rpartition("[")[0])
    return next((base for base in bases if base in columns), name)


def columns_of(names: Sequence[str], source: Source, columns: tuple[str, ...], one_hot: tuple[str, ...]) -> Findings:
    """Say which columns a table's inputs are made of, which of them are encoded, and which became none.

    Args:
        names: what ``column_names`` returned.
        source: the table.
        columns: input columns that were chosen.
        one_hot: columns of categories.
    """
    made_of = [column_of(name, source.table.column_names) for name in names]
    counts = {name: made_of.count(name) for name in dict.fromkeys(made_of)}
    encoded = {name: count for name, count in counts.items() if name not in names}
    return (
        *(Used(name, "input") for name in counts),
        *(Encoded(name, _how_encoded(count, name in one_hot)) for name, count in encoded.items()),
        *(Dropped(name, "it has one category only") for name in dict.fromkeys(columns) if name not in counts),
    )


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


def categories(source: Source, name: str) -> Counter[str]:
    """Count the rows of each category of a column."""
    return Counter(text for text in source.texts(name, "data.one_hot") if text is not None)


def one_hot_names(column: str, categories: Collection[str]) -> list[str]:
    """Return the inputs that a column of categories becomes: one for each, in sorted order, but the first.

    Raises:
        DataError: there are more than 100.
    """
    if len(categories) > 100:
        raise DataError(
            f"data.one_hot: '{column}' has {len(categories)} categories, at most 100 are allowed; drop the column or "
            "join them"
        )
    return [f"{column}={category}" for category in sorted(categories)[1:]]


def check_categories(source: Source, agreed: Mapping[str, Collection[str]]) -> None:
    """Check that a table's categories are among those agreed upon; any other would look like the first of them.

    Raises:
        DataError: some rows have another; the message names the column, not the category.
    """
    for column, known in agreed.items():
        rows = sum(count for name, count in categories(source, column).items() if name not in known)
        if rows:
            raise DataError(
                f"data.one_hot: '{column}' of '{source.name}' has {rows} rows in categories too rare to be named, or "
                "that were not agreed upon; join rare categories, or leave the column out"
            )


def _how_encoded(count: int, is_category: bool) -> str:
    if is_category:
        return f"a column for each of its {count + 1} categories but the first"
    return f"a column for each of its {count} numbers"


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
    column = source.column(name, "data.columns")
    return np.asarray(pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def _indicator(source: Source, column: str, category: str) -> Array:
    texts = source.texts(column, "data.one_hot")
    return np.array([np.nan if text is None else float(text == category) for text in texts])
