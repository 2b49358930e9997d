"""From a source to examples: the rows that count, with their inputs and their classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from headstart.core.arrays import Array
from headstart.core.errors import DataError
from headstart.data import features, images, labels, rows, texts
from headstart.data.account import Dropped, Findings, Used, left_out
from headstart.data.choose import Chosen, choose_columns
from headstart.data.doubts import doubts, followers
from headstart.data.examples import Examples, InputKind
from headstart.data.groups import group_codes
from headstart.data.identifiers import identifiers
from headstart.data.official_split import official_splits
from headstart.data.reading import Reading
from headstart.data.sources import Source
from headstart.data.sources.numbers import typed_table
from headstart.data.target_columns import read_targets, stratified

Inputs = tuple[InputKind, Any, Array, tuple[str, ...], Findings]
"""Kind, inputs (or decoded images), indices of the rows that have them, names of a table's inputs, what is to say."""

_IDENTIFIER = "an identifier; name it in data.columns to learn from it"


def read_examples(source: Source, reading: Reading) -> tuple[Examples, Source, Findings]:
    """Read a source.

    Returns:
        The examples, the source with the same rows, and what became of all other rows and columns, with notes.

    Raises:
        DataError: a column, a label, an input or an id breaks a rule; the message names it.
    """
    found: Findings = source.notes
    source, chosen, prepared = _prepared(source, reading)
    source, filled = rows.keep_filled(source, reading)
    source, indices, names, labelled = (_labelled if reading.has_classes else stratified)(source, reading)
    source, indices, drawn = rows.subsample(source, indices, reading)
    if len(source) == 0:
        raise DataError(f"{reading.setting}.source: no row of '{source.name}' is left; check what leaves them out")
    kind, inputs, kept, columns, more = _inputs(source, reading, chosen)
    if len(kept) == 0:
        raise DataError(
            f"{reading.setting}.source: no row of '{source.name}' is left, for each lacks an input; fill them "
            "(missing = 'mean'), or name the columns that are to be inputs"
        )
    found += (*prepared, *filled, *labelled, *drawn, *more, *_parts(source, reading))
    found += (*_unused(source, kind, columns, found, reading), *doubts(source, reading, chosen.columns, indices))
    source, indices = source.take(kept), indices[kept]
    ids, groups = rows.row_ids(source, reading), group_codes(source, reading.group)
    inputs, pixels = (inputs.pixels, inputs.settings) if isinstance(inputs, images.Decoded) else (inputs, None)
    targets = None if reading.has_classes else read_targets(source, reading)
    found += followers(columns, inputs, targets) if targets and kind == "table" else ()
    return Examples(kind, inputs, indices, ids, names, columns, pixels, groups, targets), source, found


def chosen_columns(source: Source, reading: Reading) -> tuple[Source, Chosen]:
    """Return the columns that a table's inputs would be made of, and those left; errors are as of ``read_examples``."""
    return _prepared(source, reading)[:2]


def _prepared(source: Source, reading: Reading) -> tuple[Source, Chosen, Findings]:
    """Bring rows into the order of their names, keep those asked for, and choose a table's columns by all of them."""
    splits = official_splits(source, reading)
    named = dict.fromkeys(splits, "an official split")
    if source.client_column is not None:
        named[source.client_column] = "says whose a row is; the study makes other clients"
    column = reading.id or source.id_column
    if column is not None:
        source = source.in_order_of(source.texts(column, f"{reading.setting}.id"))
    if _is_table(source, reading):
        named |= {name: f"{why}: {_IDENTIFIER}" for name, why in identifiers(source.table).items()}
    source, away = rows.keep_where(source, reading)
    if reading.where:  # the words of a column of numbers may be in rows that are not kept
        source = replace(source, table=typed_table(source.table, source.form, source.name)[0])
    if not _is_table(source, reading):
        return source, Chosen(), (*splits.values(), *away)
    taken = {*reading.taken, column, *(reading.inputs or ())}
    if reading.inputs is not None:
        known = (Dropped(name, why) for name, why in named.items() if name not in taken)
        return source, Chosen(), (*splits.values(), *away, *known)
    chosen = choose_columns(
        source, reading.columns, reading.one_hot, taken, named, dates=reading.dates, whole=reading.whole
    )
    return source, chosen, (*splits.values(), *away, *chosen.findings(source), *rows.copies(source))


def _is_table(source: Source, reading: Reading) -> bool:
    return reading.text is None and source.pixels is None and _image_column(source, reading) is None


def _image_column(source: Source, reading: Reading) -> str | None:
    return reading.image or (None if reading.columns else source.image_column)


def _parts(source: Source, reading: Reading) -> Findings:
    """Say which columns play which part; one with several plays the first."""
    parts = (
        ("label", (reading.label, *(reading.targets[:1] if reading.task == "survival" else reading.targets))),
        ("event", reading.targets[1:] if reading.task == "survival" else ()),
        ("client", reading.needed),
        ("split", (reading.split,)),
        ("group", (reading.group,)),
        ("time", (reading.time,)),
        ("id", (reading.id or source.id_column,)),
        ("where", reading.where),
    )
    played: dict[str, str] = {}
    for part, columns in parts:
        played |= {column: part for column in columns if column and column not in played}
    return tuple(Used(column, part) for column, part in played.items())


def _unused(source: Source, kind: InputKind, inputs: Sequence[str], found: Findings, reading: Reading) -> Findings:
    """Say of every column that neither counts nor was dropped with a reason why it is not used."""
    known = {one.name for one in found if isinstance(one, Used | Dropped)}
    columns = dict.fromkeys(source.table.column_names)
    known |= {features.column_of(name, columns) for name in inputs}
    names = [name for name in columns if name not in known]
    if kind == "table":
        other = "not in data.columns" if reading.inputs is None or reading.columns else "no input of the federation"
        return tuple(Dropped(name, features.why_no_input(source, name) or other) for name in names)
    return tuple(Dropped(name, f"no part to play: the inputs are {kind}s") for name in names)


def _labelled(source: Source, reading: Reading) -> tuple[Source, Array, tuple[str, ...], Findings]:
    """Return the rows of the classes kept, their class indices, the class names, and what is to say of other rows."""
    if reading.label is None:
        return source, np.full(len(source), labels.UNLABELLED), reading.classes or (), ()
    setting = f"{reading.setting}.label"
    stated = reading.classes if reading.known_classes else None
    if reading.task == "auto" and not stated and reading.label not in source.class_names:
        labels.check_classes(source, reading.label, setting, whole=reading.whole)
    values = source.texts(reading.label, setting)
    every_name = labels.class_names(source, reading.label, values, stated, reading.task, whole=reading.whole)
    wanted = reading.where.get(reading.label)
    keep = (wanted,) if isinstance(wanted, str) else wanted or reading.keep
    names = labels.keep_classes(every_name, keep, reading.exclude, reading.setting)
    others = set(every_name) - set(names)
    kept = np.flatnonzero([value not in others for value in values])
    found: Findings = left_out(np.delete(source.row_numbers, kept), f"of a class that {reading.setting} does not keep")
    if reading.classes and set(names) <= set(reading.classes):
        names = reading.classes
    indices = labels.class_indices(source, reading.label, [values[row] for row in kept], names, setting)
    if not reading.classes:
        found += labels.doubtful_classes(reading.label, names)
    return source.take(kept), indices, names, found


def _inputs(source: Source, reading: Reading, chosen: Chosen) -> Inputs:
    if reading.text is not None:
        kept, found = texts.with_text(source, reading)
        return "text", texts.read_texts(source.take(kept), reading), kept, (), (*found, Used(reading.text, "input"))
    if source.pixels is not None:
        pixels = images.resize_pixels(source.pixels, reading.size, reading.channels)
        return "image", pixels, np.arange(len(source)), (), ()
    column = _image_column(source, reading)
    return _table(source, reading, chosen) if column is None else _images(source, column, reading)


def _images(source: Source, column: str, reading: Reading) -> Inputs:
    values = source.column(column, f"{reading.setting}.image").to_pylist()
    encoded = [encoded_image(value, source.folder or Path()) for value in values]
    decoded = images.decode_images(encoded, reading.size, reading.channels, reading.pixels)
    broken = left_out(source.row_numbers[sorted(decoded.errors)], "the image cannot be read")
    notes = (_corrupt_note(source, decoded.errors, reading),) if decoded.errors else ()
    return "image", decoded, decoded.readable, (), (*broken, *notes, *decoded.converted, Used(column, "input"))


def _table(source: Source, reading: Reading, chosen: Chosen) -> Inputs:
    names = reading.inputs or features.number_names(source, chosen, reading.one_hot)
    values = features.input_values(source, names, reading.one_hot, reading.dates)
    found = features.near_categories(source, reading.one_hot)
    holes = np.isnan(values)
    broken = np.flatnonzero(holes.any(1))
    if not len(broken) or reading.missing not in ("error", "drop"):
        return "table", values, np.arange(len(source)), names, found
    worst = names[int(holes.sum(0).argmax())]
    if reading.missing == "error":
        raise DataError(
            f"data.missing: {len(broken)} rows of '{source.name}' have an input that is missing or "
            f"infinite, most often '{worst}', first in row {source.row_numbers[broken[0]]}; set it to "
            "'drop', 'mean' or 'indicator', or leave out the column"
        )
    why = f"an input is missing or infinite, most often '{worst}'"
    _, more = rows.leave_out(source, broken, why)
    kept = np.setdiff1d(np.arange(len(source)), broken)
    return "table", values[kept], kept, names, (*found, *more)


def encoded_image(value: Any, folder: Path) -> images.Encoded:
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
