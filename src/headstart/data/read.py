"""From a source to examples: which rows count, their names, their inputs and their classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from headstart.core import seeds
from headstart.core.errors import DataError
from headstart.data import features, images, labels
from headstart.data.examples import Array, Examples, InputKind
from headstart.data.settings import Missing, Where
from headstart.data.sources import Source
from headstart.data.subsample import stratified


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How one source is read; the clients' settings and the central pool's each become one.

    Attributes:
        setting: how messages name the settings, ``data`` or ``data.central``.
        label: label column; None when the rows have no labels.
        classes: class names in order; None finds them.
        known_classes: whether ``classes`` are all there may be; else they only lend their indices to a source
            whose classes are among them.
        keep: names of the only classes to keep; None keeps all.
        exclude: names of classes to leave out.
        unlabelled_rows: whether rows without a label are welcome.
        needed: columns, besides the label, that a row must fill.
        optional: columns whose empty rows are left out.
        inputs: names of a table's inputs, if they are known already.
        size: height and width of images in pixels; None needs equal sizes.
        others: image, id, columns, one_hot, where, channels, missing, max_examples, max_corrupt, seed as in
            DataSettings.
    """

    setting: str
    label: str | None
    image: str | None = None
    id: str | None = None
    columns: tuple[str, ...] | None = None
    one_hot: tuple[str, ...] = ()
    classes: tuple[str, ...] | None = None
    known_classes: bool = True
    keep: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    where: Where = field(default_factory=dict)
    unlabelled_rows: bool = False
    needed: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    inputs: tuple[str, ...] | None = None
    size: tuple[int, int] | None = None
    channels: Any = None
    missing: Missing = "error"
    max_examples: int | None = None
    max_corrupt: float = 0.01
    seed: int = 0


def read_examples(source: Source, reading: Reading) -> tuple[Examples, Source, tuple[str, ...]]:
    """Read a source.

    Returns:
        The examples, the source with the same rows (for its other columns), and notes on what was left out.

    Raises:
        DataError: a column, a label, an input or an id breaks a rule; the message names it.
    """
    notes: list[str] = [*source.notes]
    source = _keep_where(source, reading)
    source = _keep_filled(source, reading, notes)
    source, indices, names = _labelled(source, reading)
    source, indices = _subsampled(source, indices, reading)
    kind, inputs, kept, columns = _inputs(source, reading, notes)
    source, indices = source.take(kept), indices[kept]
    _some_left(source, f"{reading.setting}.source: no readable example is left")
    return Examples(kind, inputs, indices, _ids(source, reading), names, columns), source, tuple(notes)


def _keep_where(source: Source, reading: Reading) -> Source:
    for column, wanted in reading.where.items():
        setting = f"{reading.setting}.where"
        values = {wanted} if isinstance(wanted, str) else set(wanted)
        rows = [row for row, text in enumerate(source.texts(column, setting)) if text in values]
        source = source.take(np.array(rows, dtype=np.int64))
        _some_left(
            source, f"{setting}: no row of '{source.name}' has {column} = {' or '.join(sorted(values))}"
        )
    return source


def _keep_filled(source: Source, reading: Reading, notes: list[str]) -> Source:
    """Leave out rows with an empty value where that is allowed, and say so."""
    for column in reading.optional:
        empty = _empty_rows(source.texts(column, f"{reading.setting}.split.column"))
        source = _leave_out(source, empty, f"'{column}' is empty", notes)
    label = (reading.label,) if reading.label and not reading.unlabelled_rows else ()
    for column in (*label, *reading.needed):
        empty = _empty_rows(
            source.texts(column, f"{reading.setting}.{'label' if column in label else 'client'}")
        )
        if len(empty) and reading.missing != "drop":
            raise DataError(
                f"{reading.setting}: column '{column}' of '{source.name}' is empty in {len(empty)} rows, "
                "such as row "
                f"{source.row_numbers[empty[0]]}; fill them, or leave them out with data.missing = 'drop'"
            )
        source = _leave_out(source, empty, f"'{column}' is empty", notes)
    return source


def _labelled(source: Source, reading: Reading) -> tuple[Source, Array, tuple[str, ...]]:
    """Return the rows of the classes kept, their class indices, and the class names."""
    if reading.label is None:
        return source, np.full(len(source), labels.UNLABELLED), reading.classes or ()
    setting = f"{reading.setting}.label"
    values = source.texts(reading.label, setting)
    stated = reading.classes if reading.known_classes else None
    all_names = labels.class_names(source, reading.label, values, stated)
    wanted = reading.where.get(reading.label)
    keep = (wanted,) if isinstance(wanted, str) else wanted or reading.keep
    names = labels.keep_classes(all_names, keep, reading.exclude, reading.setting)
    dropped = set(all_names) - set(names)
    rows = np.array([row for row, value in enumerate(values) if value not in dropped], dtype=np.int64)
    if reading.classes and set(names) <= set(reading.classes):
        names = reading.classes
    indices = labels.class_indices(source, reading.label, [values[row] for row in rows], names, setting)
    return source.take(rows), indices, names


def _subsampled(source: Source, indices: Array, reading: Reading) -> tuple[Source, Array]:
    """Keep at most ``max_examples`` rows, by class and by the needed columns (the natural clients)."""
    if reading.max_examples is None or reading.max_examples >= len(source):
        return source, indices
    groups = [source.texts(column, reading.setting) for column in reading.needed]
    keys = np.array(["/".join(map(str, key)) for key in zip(indices, *groups, strict=True)])
    rng = seeds.numpy_generator(reading.seed, "max_examples", reading.setting)
    rows = stratified(keys, reading.max_examples, rng)
    return source.take(rows), indices[rows]


def _inputs(
    source: Source, reading: Reading, notes: list[str]
) -> tuple[InputKind, Array, Array, tuple[str, ...]]:
    """Return the kind of input, the inputs, the rows that have one, and the names of a table's inputs."""
    everything = np.arange(len(source))
    if source.pixels is not None:
        return "image", images.resize_pixels(source.pixels, reading.size, reading.channels), everything, ()
    column = reading.image or (None if reading.columns else source.image_column)
    if column is None:
        return _table_inputs(source, reading, notes)
    encoded = _encoded(source, column, f"{reading.setting}.image")
    pixels, readable, errors = images.decode_images(encoded, reading.size, reading.channels)
    if errors:
        notes.append(_corrupt_note(source, errors, reading))
    return "image", pixels, readable, ()


def _table_inputs(
    source: Source, reading: Reading, notes: list[str]
) -> tuple[InputKind, Array, Array, tuple[str, ...]]:
    taken = {reading.label, reading.id, *reading.needed, *reading.optional, *reading.where} - {None}
    names = reading.inputs or features.column_names(
        source, reading.columns, reading.one_hot, {str(t) for t in taken}
    )
    values = features.input_values(source, names, reading.one_hot)
    holes = np.isnan(values)
    rows = np.flatnonzero(holes.any(1))
    if not len(rows) or reading.missing == "mean":
        return "table", values, np.arange(len(source)), names
    worst = names[int(holes.sum(0).argmax())]
    if reading.missing == "error":
        raise DataError(
            f"data.missing: {len(rows)} rows of '{source.name}' have an input that is missing or infinite, "
            "most often "
            f"'{worst}', first in row {source.row_numbers[rows[0]]}; set it to 'drop' or 'mean', or leave "
            "out the column"
        )
    notes.append(_left_out(source, rows, f"an input is missing or infinite (most often '{worst}')"))
    kept = np.setdiff1d(np.arange(len(source)), rows)
    return "table", values[kept], kept, names


def _encoded(source: Source, column: str, setting: str) -> list[images.Encoded]:
    folder = source.folder or Path()

    def find(value: Any) -> images.Encoded:
        if isinstance(value, dict):
            value = value.get("bytes") or value.get("path")
        return folder / value if isinstance(value, str) and value else value or None

    return [find(value) for value in source.column(column, setting).to_pylist()]


def _corrupt_note(source: Source, errors: dict[int, str], reading: Reading) -> str:
    """Name the unreadable images, or raise when they are too many."""
    names = _ids(source.take(np.array(sorted(errors))), reading)
    listing = "; ".join(
        f"{name}: {errors[row]}" for name, row in zip(names[:5], sorted(errors), strict=False)
    )
    if len(errors) > max(1, reading.max_corrupt * len(source)):
        raise DataError(
            f"data.max_corrupt: {len(errors)} of {len(source)} images of '{source.name}' cannot be read, "
            "more than the "
            f"allowed share {reading.max_corrupt:g} ({listing}); mend them or raise data.max_corrupt"
        )
    return f"{len(errors)} images cannot be read and are left out ({listing})"


def _ids(source: Source, reading: Reading) -> list[str]:
    """Return the names of the rows.

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
            f"{len(twice)} names "
            f"are empty or double, such as '{twice[0]}'; remove the doubles, or leave id out to number the "
            "rows"
        )
    return [str(name) for name in names]


def _leave_out(source: Source, rows: Array, why: str, notes: list[str]) -> Source:
    if len(rows):
        notes.append(_left_out(source, rows, why))
    return source.take(np.setdiff1d(np.arange(len(source)), rows))


def _left_out(source: Source, rows: Array, why: str) -> str:
    numbers = ", ".join(map(str, source.row_numbers[rows[:5]]))
    more = ", …" if len(rows) > 5 else ""
    return f"{len(rows)} of {len(source)} rows of '{source.name}' are left out: {why} (rows {numbers}{more})"


def _empty_rows(values: Iterable[str | None]) -> Array:
    return np.array([row for row, value in enumerate(values) if value is None], dtype=np.int64)


def _some_left(rows: Sequence[Any] | Source, message: str) -> None:
    if len(rows) == 0:
        raise DataError(f"{message}; check the settings against the file")
