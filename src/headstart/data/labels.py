"""Labels: from a column's values to class indices and class names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

from headstart.core.arrays import Array
from headstart.core.errors import DataError, nearest
from headstart.data.sources import Source

UNLABELLED = -1
MOST_CLASSES = 0.5
"""More classes than this share of the examples means that the column holds no classes."""


def check_classes(source: Source, column: str, setting: str) -> None:
    """Check that a column of numbers holds class numbers.

    Raises:
        DataError: a number has a fraction.
    """
    values = source.column(column, setting)
    if not pa.types.is_floating(values.type):
        return
    numbers = values.to_numpy().astype(np.float64)
    fractions = np.flatnonzero(np.isfinite(numbers) & (numbers != np.round(numbers)))
    if len(fractions):
        raise DataError(
            f"{setting}: must be a column of classes, received {numbers[fractions[0]]:g} in row "
            f"{source.row_numbers[fractions[0]]} of column '{column}' in '{source.name}'; name the column "
            "of classes, or turn the measurements into classes first"
        )


def class_names(
    source: Source, column: str, values: Sequence[str | None], classes: tuple[str, ...] | None, *, whole: bool = True
) -> tuple[str, ...]:
    """Return the names of the classes in the order of their indices.

    ``classes`` if given; else the names that the file states, or those found, numbers by value and text by
    alphabet. What must hold of a task is not asked where the rows are not the ``whole`` federation's.

    Raises:
        DataError: there are fewer than two classes, or almost as many as examples.
    """
    found = {value for value in values if value is not None}
    names = classes or source.class_names.get(column) or tuple(sorted(found, key=class_order))
    if whole:
        check_class_names(names, len(found), len(values), f"'{column}' of '{source.name}'")
    return names


def check_class_names(names: Sequence[str], found: int, rows: int, what: str) -> None:
    """Check that a column holds the classes of a task.

    Args:
        names: of the classes.
        found: different values.
        rows: in which they were found.
        what: how an error calls the column.

    Raises:
        DataError: there are fewer than two classes, or almost as many as examples.
    """
    if len(names) < 2:
        raise DataError(
            f"data.label: {what} has {len(names)} class ({', '.join(names) or 'none'}); a task needs at least 2"
        )
    if holds_no_classes(found, rows):
        raise DataError(
            f"data.label: {what} has {found} different values in {rows} rows, which are no classes; name the column "
            "of classes"
        )


def holds_no_classes(found: int, rows: int) -> bool:
    """Say whether so many different values in so many rows are almost one per example."""
    return found > 20 and found > MOST_CLASSES * rows


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


def class_order(name: str) -> tuple[int, float, str]:
    """Return the key that sorts names of classes: numbers by value, then text by alphabet.

    >>> sorted(["b", "10", "9", "a"], key=class_order)
    ['9', '10', 'a', 'b']
    """
    try:
        return (0, float(name), name)
    except ValueError:
        return (1, 0.0, name)
