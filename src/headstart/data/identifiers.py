"""Columns that name rows instead of describing them: running numbers, patient numbers, an index that pandas wrote.

A column of numbers is an identifier where

- its name is one that pandas gives an index (no name at all, ``Unnamed: 0``, ``__index_level_0__``);
- or, from ten rows on, its values are whole numbers, all different, and in order, without a gap, or so close together
  that numbers by chance would repeat;
- or they count up by one from row to row, with few restarts;
- or its name says so (``id``, ``patient_id``, ``PatientID``, ``mrn``, ``uuid``, …) and its whole numbers take more than
  twenty values, or are all different.

Measurements with fractions are none, however different they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from headstart.core.arrays import Array
from headstart.data.sources.numbers import floats

_INDEX = re.compile(r"^(Unnamed: \d+|__index_level_\d+__|)$")
_WHOSE = ("patient", "subject", "record", "sample", "case", "person", "user", "client", "study", "row")
_NAMES = frozenset({"id", "ids", "uid", "pid", "uuid", "guid", "mrn", "idx", *(f"{whose}id" for whose in _WHOSE)})
_FEWEST_ROWS = 10
_MANY_VALUES = 20
_CHANCE = 20
"""n numbers by chance out of R are all different with probability exp(-n**2 / 2R): below exp(-10) from here on."""

_COUNTS = 0.8
"""Share of steps of one from which numbers that repeat may be counting rows, with restarts."""


def identifiers(table: pa.Table) -> Mapping[str, str]:
    """Return the columns of numbers that are identifiers, each with the reason.

    >>> dict(identifiers(pa.table({"patient_id": range(100, 110), "age": [40, 51, 40, 63, 7, 51, 33, 8, 70, 22]})))
    {'patient_id': 'whole numbers, all different and in order'}
    """
    found = {name: _why(name, table.column(name)) for name in table.column_names}
    return {name: why for name, why in found.items() if why is not None}


def doubtful_identifiers(table: pa.Table) -> tuple[str, ...]:
    """Return the identifiers that are some by their values: with more rows they may turn out to be none.

    >>> doubtful_identifiers(pa.table({"Unnamed: 0": range(10), "age": range(40, 50)}))
    ('age',)
    """
    return tuple(name for name in identifiers(table) if not _INDEX.match(name.strip()))


def describing_columns(table: pa.Table) -> tuple[str, ...]:
    """Return the columns of numbers that are no identifiers, whatever rows are added: with fractions, or repeating.

    >>> describing_columns(pa.table({"age": [40, 51, 40], "nr": [1, 2, 3], "dose": [0.5, 1, 2]}))
    ('age', 'dose')
    """
    return tuple(name for name in table.column_names if _describes(name, table.column(name)))


def _describes(name: str, column: pa.ChunkedArray) -> bool:
    if not _is_number(column.type) or _INDEX.match(name.strip()):
        return False
    values = _values(column)
    if not _are_whole(values):
        return True
    repeats = len(np.unique(values)) < len(values)
    return repeats and not _is_named_as_identifier(name) and bool(np.mean(np.diff(values) == 1) < _COUNTS)


def _is_named_as_identifier(name: str) -> bool:
    """Say whether a column's name says that it names rows.

    >>> [_is_named_as_identifier(name) for name in ("patient_id", "PatientID", "subjectid", "age_at_index", "acid")]
    [True, True, True, False, False]
    """
    parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    words = [word for word in re.split(r"[\W_]+", parts.lower()) if word]
    ends = {words[0], words[-1]} if words else set()
    return words == ["index"] or not ends.isdisjoint(_NAMES)


def _why(name: str, column: pa.ChunkedArray) -> str | None:
    if not _is_number(column.type):
        return None
    if _INDEX.match(name.strip()):
        return "an index that pandas wrote"
    values = _values(column)
    if len(values) < max(_FEWEST_ROWS, 0.9 * len(column)) or not _are_whole(values):
        return None
    return _why_whole(values, _is_named_as_identifier(name))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _values(column: pa.ChunkedArray) -> Array:
    """Return the values that are there."""
    values = floats(column.drop_null())
    return values[~np.isnan(values)]


def _are_whole(values: Array) -> bool:
    return bool(np.isfinite(values).all()) and np.array_equal(values, np.round(values))


def _why_whole(values: Array, named: bool) -> str | None:
    """Say why whole numbers are identifiers."""
    steps, distinct = np.diff(values), np.unique(values)
    if len(distinct) < len(values):
        if len(values) > _MANY_VALUES and np.mean(steps == 1) >= 0.95:
            return "whole numbers that count the rows"
        return "named as an identifier" if named and len(distinct) > _MANY_VALUES else None
    if (steps > 0).all() or (steps < 0).all():
        return "whole numbers, all different and in order"
    span = distinct[-1] - distinct[0] + 1
    if span == len(values) or len(values) ** 2 > _CHANCE * span:
        return "whole numbers, all different and close together"
    return "whole numbers, all different, named as an identifier" if named else None
