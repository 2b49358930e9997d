"""A table's input columns as one array of numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headstart.core.arrays import Array
from headstart.core.errors import DataError, nearest
from headstart.data.account import Dropped, Encoded, Findings, Used
from headstart.data.sources import Source


def column_names(
    source: Source,
    columns: tuple[str, ...] | None,
    one_hot: tuple[str, ...],
    taken: Collection[str | None],
    *,
    whole: bool = True,
) -> tuple[str, ...]:
    """Return the names of the inputs: numeric columns as they are, categories as ``column=value``.

    The first category of each one-hot column, in sorted order, is the reference and has no input of its own.
    Arguments and errors as :func:`input_columns`; a column without any value is refused where the table is the
    ``whole`` federation's.
    """
    names: list[str] = []
    for name in input_columns(source, columns, one_hot, taken):
        is_number = name not in one_hot
        names += [_numeric_name(source, name, whole)] if is_number else one_hot_names(name, categories(source, name))
    return tuple(names)


def input_columns(
    source: Source, columns: tuple[str, ...] | None, one_hot: tuple[str, ...], taken: Collection[str | None]
) -> tuple[str, ...]:
    """Return the columns that are learnt from.

    Args:
        source: the table.
        columns: input columns; None takes every numeric or one-hot column that is not ``taken``.
        one_hot: columns of categories.
        taken: columns that play another part (label, client, …).

    Raises:
        DataError: a column is missing or has no numbers, or nothing is left.
    """
    if columns is None:
        numeric = {field.name for field in source.table.schema if _is_numeric(field.type)}
        columns = tuple(
            name for name in source.table.column_names if name in numeric | set(one_hot) and name not in taken
        )
    for name in one_hot:
        if name not in columns:
            raise DataError(f"data.one_hot: '{name}' is not an input column; {nearest(name, columns)}")
    if not columns:
        raise DataError(
            f"data.columns: '{source.name}' has no numeric column left to learn from; name the input columns, "
            "or the column of texts with data.text"
        )
    return columns


def input_values(source: Source, names: Sequence[str], one_hot: tuple[str, ...]) -> Array:
    """Return the inputs ``(rows, names)`` float32; NaN where a value is missing or infinite.

    Raises:
        DataError: a column is missing.
    """
    values = np.empty((len(source), len(names)), dtype=np.float32)
    for position, name in enumerate(names):
        column, _, category = name.rpartition("=")
        values[:, position] = _indicator(source, column, category) if column in one_hot else _numbers(source, name)
    values[~np.isfinite(values)] = np.nan
    return values


def columns_of(names: Sequence[str], columns: tuple[str, ...] | None, one_hot: tuple[str, ...]) -> Findings:
    """Say which columns a table's inputs are made of, which of them are encoded, and which became none.

    Args:
        names: what ``column_names`` returned.
        columns: input columns that were asked for; None if none were.
        one_hot: columns of categories.
    """
    made_of = [base if (base := name.rpartition("=")[0]) in one_hot else name for name in names]
    asked = (*(columns or ()), *one_hot)
    return (
        *(Used(name, "input") for name in dict.fromkeys(made_of)),
        *(Encoded(name, _how_encoded(made_of.count(name) + 1)) for name in dict.fromkeys(made_of) if name in one_hot),
        *(Dropped(name, "it has one category only") for name in dict.fromkeys(asked) if name not in made_of),
    )


def why_no_input(source: Source, name: str) -> str:
    """Say why a column without a part is no input of a table."""
    kind = source.table.schema.field(name).type
    if _is_numeric(kind):
        return "not in data.columns"
    return f"holds {kind}, not numbers; data.one_hot makes inputs of categories"


def _how_encoded(count: int) -> str:
    return f"a column for each of its {count} categories but the first"


def _numbers(source: Source, name: str) -> Array:
    column = source.column(_numeric_name(source, name, whole=False), "data.columns")
    return np.asarray(pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def _indicator(source: Source, column: str, category: str) -> Array:
    texts = source.texts(column, "data.one_hot")
    return np.array([np.nan if text is None else float(text == category) for text in texts])


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


def _numeric_name(source: Source, name: str, whole: bool) -> str:
    kind = source.column(name, "data.columns").type
    if not (_is_numeric(kind) or (pa.types.is_null(kind) and not whole)):
        raise DataError(
            f"data.columns: '{name}' of '{source.name}' holds {kind}, not numbers; add it to data.one_hot "
            "or leave it out"
        )
    return name


def _is_numeric(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_decimal(kind)
    )
