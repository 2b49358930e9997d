"""Labels: from a column's values to class indices and class names."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

from headstart.core.arrays import Array
from headstart.core.errors import DataError, nearest
from headstart.data.settings import TaskName
from headstart.data.sources import Source
from headstart.data.sources.numbers import floats

UNLABELLED = -1
FEW_CLASSES = 20
ROWS_EACH = 5
_OFTEN_EMPTY = frozenset({"na", "n/a", "nan", "null", "?", "-", "#n/a", "<na>"})
MOST_CLASSES = 0.5
"""More classes than this share of the examples means that the column holds no classes."""


def check_classes(source: Source, column: str, setting: str, *, whole: bool = True) -> None:
    """Check that a column of numbers holds classes, not measurements.

    Whole numbers may be many where they are 0, 1, …, C-1, or have five rows each on average, and where the rows are
    not the ``whole`` federation's.

    Raises:
        DataError: a number has a fraction, or there are too many different ones.
    """
    values = source.column(column, setting)
    if not (pa.types.is_floating(values.type) or pa.types.is_decimal(values.type) or pa.types.is_integer(values.type)):
        return
    numbers = floats(values)
    fractions = np.flatnonzero(np.isfinite(numbers) & (numbers != np.round(numbers)))
    if len(fractions):
        row = source.row_numbers[fractions[0]]
        raise _measured(setting, f"{numbers[fractions[0]]:g} in row {row} of column '{column}' in '{source.name}'")
    if whole:
        known = numbers[np.isfinite(numbers)]
        check_numbers_of_classes(np.unique(known), len(known), setting, f"column '{column}' in '{source.name}'")


def check_numbers_of_classes(found: Array, rows: int, setting: str, what: str) -> None:
    """Check that a column's whole numbers are classes by how many there are.

    Args:
        found: the different numbers, ascending.
        rows: in which they were found.
        setting: as errors name it.
        what: how an error calls the column.

    Raises:
        DataError: there are too many.
    """
    if len(found) > FEW_CLASSES and rows < ROWS_EACH * len(found) and not np.array_equal(found, np.arange(len(found))):
        raise _measured(setting, f"{len(found)} different whole numbers in {rows} rows of {what}")


def _measured(setting: str, received: str) -> DataError:
    return DataError(
        f"{setting}: must be a column of classes, received {received}, which are measurements; name the column of "
        "classes, predict the number with data.task = 'regression', or insist with data.task = 'classification'"
    )


def class_names(
    source: Source,
    column: str,
    values: Sequence[str | None],
    classes: tuple[str, ...] | None,
    kind: TaskName = "auto",
    *,
    whole: bool = True,
) -> tuple[str, ...]:
    """Return the names of the classes in the order of their indices.

    ``classes`` if given; else the names that the file states, or those found, numbers by value and text by
    alphabet. What must hold of a task is not asked where the rows are not the ``whole`` federation's.

    Raises:
        DataError: there are fewer than two classes, or almost as many as examples and ``kind`` does not insist.
    """
    found = {value for value in values if value is not None}
    names = classes or source.class_names.get(column) or tuple(sorted(found, key=class_order))
    if whole:
        check_class_names(names, len(found), len(values), f"'{column}' of '{source.name}'", kind)
    return names


def check_class_names(names: Sequence[str], found: int, rows: int, what: str, kind: TaskName = "auto") -> None:
    """Check that a column holds the classes of a task.

    Args:
        names: of the classes.
        found: different values.
        rows: in which they were found.
        what: how an error calls the column.
        kind: ``classification`` insists that it holds classes.

    Raises:
        DataError: there are fewer than two classes, or almost as many as examples and ``kind`` does not insist.
    """
    if len(names) < 2:
        raise DataError(
            f"data.label: {what} has {len(names)} class ({', '.join(names) or 'none'}); a task needs at least 2"
        )
    if kind == "auto" and holds_no_classes(found, rows):
        raise DataError(
            f"data.label: {what} has {found} different values in {rows} rows, which are no classes; name the column "
            "of classes, or insist with data.task = 'classification'"
        )


def holds_no_classes(found: int, rows: int) -> bool:
    """Say whether so many different values in so many rows are almost one per example."""
    return found > FEW_CLASSES and found > MOST_CLASSES * rows


def class_indices(
    source: Source, column: str, values: Sequence[str | None], names: tuple[str, ...], setting: str
) -> Array:
    """Return the index of each value in ``names``, -1 where it is empty; ``(rows,)`` int64.

    Raises:
        DataError: a value is none of ``names``.
    """
    index = {name: position for position, name in enumerate(names)}
    for row, value in enumerate(values):
        if value is not None and value not in index:
            raise DataError(
                f"{setting}: label '{value}' (row {row} of column '{column}' in '{source.name}') is "
                f"outside the classes; {nearest(value, names)}; add it to data.classes, or keep other rows "
                "with data.where"
            )
    return np.array([UNLABELLED if value is None else index[value] for value in values], dtype=np.int64)


def keep_classes(
    names: tuple[str, ...], keep: tuple[str, ...] | None, exclude: Iterable[str], setting: str
) -> tuple[str, ...]:
    """Return the names that are kept.

    Raises:
        DataError: a name to keep or exclude does not exist, or none is left.
    """
    for name in (*(keep or ()), *exclude):
        if name not in names:
            raise DataError(f"{setting}: there is no class '{name}'; {nearest(name, names)}")
    kept = tuple(name for name in names if (keep is None or name in keep) and name not in set(exclude))
    if not kept:
        raise DataError(f"{setting}: no class is left of {', '.join(names)}; exclude fewer")
    return kept


def doubtful_classes(column: str, names: Sequence[str]) -> tuple[str, ...]:
    """Note classes whose name often stands for an empty cell."""
    found = [f"'{name}'" for name in names if name.lower() in _OFTEN_EMPTY]
    return (f"{', '.join(found)} of '{column}' counts as a class; leave its rows out with data.where",) if found else ()


def class_order(name: str) -> tuple[int, float, str]:
    """Return the key that sorts names of classes: numbers by value, then text by alphabet.

    >>> sorted(["b", "10", "nan", "9", "a"], key=class_order)
    ['9', '10', 'a', 'b', 'nan']
    """
    try:
        number = float(name)
    except ValueError:
        number = math.nan
    # What is no number has no place among numbers, though it is called so.
    return (1, 0.0, name) if math.isnan(number) else (0, number, name)
