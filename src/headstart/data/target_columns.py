"""Columns of targets: read, checked, and cut into strata."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headstart.core.arrays import Array
from headstart.core.errors import DataError
from headstart.core.task import Task
from headstart.data.account import Findings
from headstart.data.reading import Reading
from headstart.data.sources import Source
from headstart.data.sources.numbers import floats
from headstart.data.strata import strata_of
from headstart.data.targets import Targets


def stratified(source: Source, reading: Reading) -> tuple[Source, Array, tuple[str, ...], Findings]:
    """Return the rows, the stratum of each, -1 where it has no target, the strata's names, and what is to say."""
    strata, names = strata_of(read_targets(source, reading))
    return source, strata, names, ()


def read_targets(source: Source, reading: Reading) -> Targets:
    """Return the targets of all rows, a regression's not scaled yet; NaN where a row has none and need not.

    Raises:
        DataError: a column does not hold what the task asks for.
    """
    names = reading.targets
    columns = [_numbers(source, name, f"{reading.setting}.label") for name in names]
    values = np.stack(columns, axis=1) if columns else np.full((len(source), 1), np.nan)
    if reading.task == "multilabel":
        _check_of_two(source, f"{reading.setting}.labels", values, names)
        return Targets(Task(kind="multilabel", outputs=names), values)
    if reading.task == "survival":
        _check_survival(source, reading, values)
        return Targets(Task(kind="survival", outputs=("risk",)), values)
    zero, one = ((number,) * len(names) for number in (0.0, 1.0))
    return Targets(Task(kind="regression", outputs=names, centers=zero, scales=one), values)


def _numbers(source: Source, name: str, setting: str) -> Array:
    """Read a column of numbers or truth values, NaN where empty.

    Raises:
        DataError: it holds something else, or a number is infinite.
    """
    column = source.column(name, setting)
    if not _holds_numbers(column.type):
        raise DataError(
            f"{setting}: must be a column of numbers, received '{name}' of '{source.name}', which holds {column.type}"
            f"{', such as ' + repr(column[0].as_py())[:60] if len(column) else ''}; name another column"
        )
    values = floats(pc.cast(column, pa.uint8()) if pa.types.is_boolean(column.type) else column)
    if len(wrong := np.flatnonzero(np.isinf(values))):
        raise DataError(
            f"{setting}: numbers must be finite, received {values[wrong[0]]} in row {source.row_numbers[wrong[0]]} of "
            f"column '{name}' in '{source.name}'; mend it"
        )
    return values


def _holds_numbers(kind: pa.DataType) -> bool:
    are = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal)
    return any(is_one(kind) for is_one in are)


def _check_of_two(source: Source, setting: str, values: Array, names: tuple[str, ...]) -> None:
    """Refuse what is neither 0 nor 1."""
    for name, column in zip(names, values.T, strict=True):
        wrong = np.flatnonzero(np.isfinite(column) & (column != 0) & (column != 1))
        if len(wrong):
            raise DataError(
                f"{setting}: must be a column of 0 and 1, received {column[wrong[0]]:g} in row "
                f"{source.row_numbers[wrong[0]]} of '{name}' in '{source.name}'; name another column"
            )


def _check_survival(source: Source, reading: Reading, values: Array) -> None:
    """Check times and events; a part of a federation, or a pool, may be without an event."""
    if not reading.targets:
        return
    time, event = reading.targets
    _check_of_two(source, f"{reading.setting}.event", values[:, 1:], (event,))
    wrong = np.flatnonzero(values[:, 0] < 0)
    if len(wrong):
        raise DataError(
            f"{reading.setting}.label: times must be 0 or more, received {values[wrong[0], 0]:g} in row "
            f"{source.row_numbers[wrong[0]]} of '{time}' in '{source.name}'; mend it"
        )
    if reading.whole and reading.setting == "data" and not (values[:, 1] == 1).any():
        raise DataError(
            f"data.event: nothing can be learnt without an event, received no 1 in {len(values)} rows of '{event}' in "
            f"'{source.name}'; does another word mean one there?"
        )
