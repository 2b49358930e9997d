"""From a source to examples: the rows that count, with their inputs and their classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from headstart.core.arrays import Array
from headstart.core.errors import DataError
from headstart.data import features, images, labels, rows, texts
from headstart.data.examples import Examples, InputKind
from headstart.data.reading import Reading
from headstart.data.rows import Notes
from headstart.data.sources import Source

Inputs = tuple[InputKind, Any, Array, tuple[str, ...], Notes]
"""Kind, inputs, indices of the rows that have them, names of a table's inputs, notes."""


def read_examples(source: Source, reading: Reading) -> tuple[Examples, Source, Notes]:
    """Read a source.

    Returns:
        The examples, the source with the same rows (for its other columns), and notes on what was left out.

    Raises:
        DataError: a column, a label, an input or an id breaks a rule; the message names it.
    """
    notes = source.notes
    source = rows.keep_where(source, reading)
    source, more = rows.keep_filled(source, reading)
    source, indices, names = _labelled(source, reading)
    source, indices = rows.subsample(source, indices, reading)
    if len(source) == 0:
        raise DataError(f"{reading.setting}.source: no row of '{source.name}' is left; check what leaves them out")
    kind, inputs, kept, columns, even_more = _inputs(source, reading)
    source, indices = source.take(kept), indices[kept]
    ids = rows.row_ids(source, reading)
    return Examples(kind, inputs, indices, ids, names, columns), source, (*notes, *more, *even_more)


def _labelled(source: Source, reading: Reading) -> tuple[Source, Array, tuple[str, ...]]:
    """Return the rows of the classes kept, their class indices, and the class names."""
    if reading.label is None:
        return source, np.full(len(source), labels.UNLABELLED), reading.classes or ()
    setting = f"{reading.setting}.label"
    labels.check_classes(source, reading.label, setting)
    values = source.texts(reading.label, setting)
    stated = reading.classes if reading.known_classes else None
    every_name = labels.class_names(source, reading.label, values, stated, whole=reading.whole)
    wanted = reading.where.get(reading.label)
    keep = (wanted,) if isinstance(wanted, str) else wanted or reading.keep
    names = labels.keep_classes(every_name, keep, reading.exclude, reading.setting)
    kept = np.flatnonzero([value not in set(every_name) - set(names) for value in values])
    if reading.classes and set(names) <= set(reading.classes):
        names = reading.classes
    indices = labels.class_indices(source, reading.label, [values[row] for row in kept], names, setting)
    return source.take(kept), indices, names


def _inputs(source: Source, reading: Reading) -> Inputs:
    if reading.text is not None:
        kept, notes = texts.with_text(source, reading)
        return "text", texts.read_texts(source.take(kept), reading), kept, (), notes
    column = reading.image or (None if reading.columns else source.image_column)
    if source.pixels is not None:
        pixels = images.resize_pixels(source.pixels, reading.size, reading.channels)
        return "image", pixels, np.arange(len(source)), (), ()
    return _table(source, reading) if column is None else _images(source, column, reading)


def _images(source: Source, column: str, reading: Reading) -> Inputs:
    values = source.column(column, f"{reading.setting}.image").to_pylist()
    encoded = [_encoded(value, source.folder or Path()) for value in values]
    pixels, readable, errors = images.decode_images(encoded, reading.size, reading.channels)
    notes = (_corrupt_note(source, errors, reading),) if errors else ()
    return "image", pixels, readable, (), notes


def _table(source: Source, reading: Reading) -> Inputs:
    names = reading.inputs or features.column_names(
        source, reading.columns, reading.one_hot, reading.taken, whole=reading.whole
    )
    features.check_categories(source, reading.categories)
    values = features.input_values(source, names, reading.one_hot)
    holes = np.isnan(values)
    broken = np.flatnonzero(holes.any(1))
    if not len(broken) or reading.missing == "mean":
        return "table", values, np.arange(len(source)), names, ()
    worst = names[int(holes.sum(0).argmax())]
    if reading.missing == "error":
        raise DataError(
            f"data.missing: {len(broken)} rows of '{source.name}' have an input that is missing or "
            f"infinite, most often '{worst}', first in row {source.row_numbers[broken[0]]}; set it to "
            "'drop' or 'mean', or leave out the column"
        )
    why = f"an input is missing or infinite, most often '{worst}'"
    _, notes = rows.leave_out(source, broken, why)
    kept = np.setdiff1d(np.arange(len(source)), broken)
    return "table", values[kept], kept, names, notes


def _encoded(value: Any, folder: Path) -> images.Encoded:
    """Return an image column's cell as bytes or as a path."""
    if isinstance(value, dict):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, str):
        return folder / value if value else None
    return value or None


def _corrupt_note(source: Source, errors: dict[int, str], reading: Reading) -> str:
    """Name the unreadable images, or raise when they are too many."""
    broken = sorted(errors)
    names = rows.row_ids(source.take(np.array(broken)), reading)
    listing = "; ".join(f"{name}: {errors[row]}" for name, row in zip(names[:5], broken, strict=False))
    if len(errors) > max(1, reading.max_corrupt * len(source)):
        raise DataError(
            f"data.max_corrupt: {len(errors)} of {len(source)} images of '{source.name}' cannot be read, "
            f"more than the allowed share {reading.max_corrupt:g} ({listing}); mend them or raise "
            "data.max_corrupt"
        )
    return f"{len(errors)} images of '{source.name}' cannot be read and are left out ({listing})"
