"""Which rows of a source count, and what they are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

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
        if strange := sorted(values.difference(texts)):
            found += (f"{setting}: no row of '{source.name}' has {column} = {' or '.join(strange)}",)
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
    needed = dict.fromkeys([reading.label, *reading.targets], "label") if needs_label else {}
    needed |= {reading.group: "split.group", reading.time: "split.time"} | dict.fromkeys(reading.needed, "client")
    for column, part in needed.items():
        if column is None:
            continue
        setting = f"{reading.setting}.{part}"
        empty = _empty(source.texts(column, setting))
        state = (
            "hidden (-1), as the Hub hides the labels of test sets" if _all_hidden(source, column, empty) else "empty"
        )
        if len(empty) and reading.missing != "drop":
            raise DataError(
                f"{setting}: column '{column}' of '{source.name}' is {state} in {len(empty)} rows, first in row "
                f"{source.row_numbers[empty].min()}; fill them, keep other rows with data.where, or leave them out "
                "with data.missing = 'drop'"
            )
        found += _trimmed(source, column)
        source, more = leave_out(source, empty, f"'{column}' is {state}")
        found += more
    return source, found


def subsample(source: Source, labels: Array, reading: Reading) -> tuple[Source, Array, Findings]:
    """Keep at most ``max_examples`` rows; every class of every natural client keeps its share."""
    if reading.max_examples is None or reading.max_examples >= len(source):
        return source, labels, ()
    groups = [source.texts(column, reading.setting) for column in reading.needed]
    keys = np.array(["/".join(map(_escaped, key)) for key in zip(labels, *groups, strict=True)])
    rng = seeds.numpy_generator(reading.seed, "max_examples", reading.setting)
    rows = stratified(keys, reading.max_examples, rng)
    beyond = LeftOut(len(source) - len(rows), f"beyond {reading.setting}.max_examples = {reading.max_examples}")
    return source.take(rows), labels[rows], (beyond,)


def copies(source: Source) -> Findings:
    """Note rows that have the very cells of another row."""
    filled = [field for field in source.table.schema if not pa.types.is_null(field.type)]
    if any(pa.types.is_nested(field.type) or pa.types.is_float16(field.type) for field in filled):
        return ()
    different = source.table.group_by([field.name for field in filled]).aggregate([([], "count_all")]).num_rows
    count = len(source) - different
    return (f"{count} of {len(source)} rows of '{source.name}' are copies of another row",) if count else ()


def leave_out(source: Source, rows: Array, why: str) -> tuple[Source, Findings]:
    """Leave out rows, by index, and record and note how many, why and which."""
    if not len(rows):
        return source, ()
    numbers = ", ".join(map(str, np.sort(source.row_numbers[rows])[:5])) + (", …" if len(rows) > 5 else "")
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


def _escaped(name: object) -> str:
    return str(name).replace("\\", "\\\\").replace("/", "\\/")


def _all_hidden(source: Source, column: str, rows: Array) -> bool:
    """Say whether cells are -1, Hugging Face's mark of a label that is not told."""
    cells = source.table.column(column)
    return column in source.class_names and all(cells[int(row)].as_py() == -1 for row in rows)


def _trimmed(source: Source, column: str) -> Findings:
    """Note names with blanks around them, which are not of the name."""
    cells = source.table.column(column)
    if not (pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type)):
        return ()
    found = sorted({cell for cell in pc.unique(cells).to_pylist() if cell and cell != cell.strip() and cell.strip()})
    listing = ", ".join(map(repr, found[:5])) + (", …" if len(found) > 5 else "")
    return (f"blanks around the names in '{column}' are left out: {listing}",) if found else ()


def _empty(values: Iterable[str | None]) -> Array:
    return np.flatnonzero([value is None for value in values])
