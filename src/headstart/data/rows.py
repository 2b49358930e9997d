"""Which rows of a source count, and what they are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from headstart.core import seeds
from headstart.core.arrays import Array
from headstart.core.errors import DataError
from headstart.data.account import Findings, LeftOut, left_out
from headstart.data.reading import Reading
from headstart.data.sources import Source
from headstart.data.split_names import split_of
from headstart.data.subsample import stratified


def keep_where(source: Source, reading: Reading) -> tuple[Source, Findings]:
    """Keep the rows that ``where`` asks for.

    Raises:
        DataError: there is none, or a column is missing.
    """
    found: Findings = ()
    for column, wanted in reading.where.items():
        setting = f"{reading.setting}.where"
        values = {wanted} if isinstance(wanted, str) else set(wanted)
        texts = source.texts(column, setting)
        kept = np.array([text in values for text in texts])
        found += left_out(source.row_numbers[~kept], f"not among {setting}, '{column}'")
        source = source.take(np.flatnonzero(kept))
        if len(source) == 0:
            raise DataError(
                f"{setting}: no row of '{source.name}' has {column} = {' or '.join(sorted(values))}; some "
                f"values it has: {', '.join(sorted({str(text) for text in texts})[:5])}"
            )
    return source, found


def keep_filled(source: Source, reading: Reading) -> tuple[Source, Findings]:
    """Leave out rows of no split, and, where ``missing`` is ``drop``, rows without a label or a client.

    Raises:
        DataError: a label or a client is empty and may not be.
    """
    found: Findings = ()
    if reading.split:
        splits = [split_of(text, reading.split) for text in source.texts(reading.split, "data.split.column")]
        source, found = leave_out(source, _empty(splits), f"'{reading.split}' names no split")
    needs_label = reading.label is not None and not reading.unlabelled_rows
    for column in (*([reading.label] if reading.label and needs_label else []), *reading.needed):
        setting = f"{reading.setting}.{'label' if column == reading.label else 'client'}"
        empty = _empty(source.texts(column, setting))
        if len(empty) and reading.missing != "drop":
            raise DataError(
                f"{setting}: column '{column}' of '{source.name}' is empty in {len(empty)} rows, first in "
                f"row {source.row_numbers[empty[0]]}; fill them, or leave them out with data.missing = "
                "'drop'"
            )
        source, more = leave_out(source, empty, f"'{column}' is empty")
        found += more
    return source, found


def subsample(source: Source, labels: Array, reading: Reading) -> tuple[Source, Array, Findings]:
    """Keep at most ``max_examples`` rows; every class of every natural client keeps its share."""
    if reading.max_examples is None or reading.max_examples >= len(source):
        return source, labels, ()
    groups = [source.texts(column, reading.setting) for column in reading.needed]
    keys = np.array(["/".join(map(str, key)) for key in zip(labels, *groups, strict=True)])
    rng = seeds.numpy_generator(reading.seed, "max_examples", reading.setting)
    rows = stratified(keys, reading.max_examples, rng)
    beyond = LeftOut(len(source) - len(rows), f"beyond {reading.setting}.max_examples = {reading.max_examples}")
    return source.take(rows), labels[rows], (beyond,)


def leave_out(source: Source, rows: Array, why: str) -> tuple[Source, Findings]:
    """Leave out rows, by index, and record and note how many, why and which."""
    if not len(rows):
        return source, ()
    numbers = ", ".join(map(str, source.row_numbers[rows[:5]])) + (", …" if len(rows) > 5 else "")
    note = f"{len(rows)} of {len(source)} rows of '{source.name}' are left out: {why} (rows {numbers})"
    record = left_out(source.row_numbers[rows], why)
    return source.take(np.setdiff1d(np.arange(len(source)), rows)), (*record, note)


def row_ids(source: Source, reading: Reading) -> list[str]:
    """Return the names of the rows: from a column, or the source's name and the row's number.

    Raises:
        DataError: the id column is empty somewhere, or two rows share a name.
    """
    column = reading.id or source.id_column
    if column is None:
        return [f"{source.name}:{row}" for row in source.row_numbers]
    names = source.texts(column, f"{reading.setting}.id")
    twice = [str(name) for name, count in Counter(names).items() if count > 1 or name is None]
    if twice:
        raise DataError(
            f"{reading.setting}.id: column '{column}' of '{source.name}' must name each row once, but "
            f"{len(twice)} names are empty or double, such as '{twice[0]}'; mend them, or leave id out to "
            "number the rows"
        )
    return [str(name) for name in names]


def _empty(values: Iterable[str | None]) -> Array:
    return np.flatnonzero([value is None for value in values])
