"""What makes scores doubtful: an input that alone tells the label, and rows that belong together and may be parted."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headstart.core.arrays import Array
from headstart.data.account import Findings, Telling
from headstart.data.reading import Reading
from headstart.data.sources import Source
from headstart.data.targets import Targets

_COMMON = 5
"""Rows that a value must have to count as more than chance."""
_SHARE = 0.9
"""Of the rows that must have such a value."""
_SLIPS = 200
"""One row in so many may go against its value."""
_IN_STEP = 0.9
"""Correlation from which an input may be another form of the target."""
_THINGS = ("recording", "patient", "subject", "participant", "session", "video", "scan", "slide", "specimen", "animal")


def doubts(source: Source, reading: Reading, columns: Sequence[str], labels: Array) -> Findings:
    """Note what makes scores on these rows doubtful.

    Args:
        source: its rows in the order of the labels.
        reading: which columns play a part.
        columns: those that inputs are made of.
        labels: class indices, -1 of rows without a label.
    """
    told = tuple(found for each in _each_label(source, reading, labels) for found in _leaks(source, columns, *each))
    if reading.group or not reading.whole:
        return told
    return (*told, *_possible_groups(source, {*reading.taken, source.id_column, *columns}))


def followers(columns: Sequence[str], inputs: Array, targets: Targets) -> tuple[str, ...]:
    """Note a table's inputs that rise or fall almost in step with a target of a regression.

    >>> from headstart.core.task import Task
    >>> ages = Targets(Task(kind="regression", outputs=("age",)), np.arange(9.0)[:, None])
    >>> followers(["born", "dose"], np.stack([2000 - np.arange(9.0), np.arange(9) % 2], 1), ages)[0][:64]
    "column 'born' goes almost in step with the target 'age' (correla"
    """
    if targets.task.kind != "regression":
        return ()
    found = [
        (column, target, _correlation(inputs[:, i], targets.values[:, j]))
        for i, column in enumerate(columns)
        for j, target in enumerate(targets.task.outputs)
    ]
    return tuple(
        f"column '{column}' goes almost in step with the target '{target}' (correlation {value:.2f}): if it is not "
        "known before the target is, leave it out by naming the other inputs in data.columns"
        for column, target, value in found
        if abs(value) >= _IN_STEP
    )


def _correlation(column: Array, target: Array) -> float:
    both = np.isfinite(column) & np.isfinite(target)
    x, y = (values[both] - values[both].mean() if both.any() else values[both] for values in (column, target))
    norm = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / norm if norm > 0 else 0.0


def _each_label(source: Source, reading: Reading, labels: Array) -> list[tuple[Array, str]]:
    """Return class indices and a column's name, of every label where there are several."""
    if reading.task == "multilabel":
        texts = {name: source.texts(name, "data.labels") for name in reading.targets}
        return [(codes_of(own), name) for name, own in texts.items()]
    return [(labels, reading.label)] if reading.label else []


def codes_of(texts: Sequence[str | None]) -> Array:
    """Return the index of each text among the different ones, -1 of none.

    >>> codes_of(["yes", None, "no", "yes"])
    array([ 1, -1,  0,  1])
    """
    names = {text: code for code, text in enumerate(sorted({text for text in texts if text is not None}))}
    return np.array([-1 if text is None else names[text] for text in texts], dtype=np.int64)


def _leaks(source: Source, columns: Sequence[str], labels: Array, label: str) -> Iterator[str | Telling]:
    """Note the columns of which every value goes with one class, where there are enough rows to tell.

    Columns of measurements, whose values are nearly all different, are never among them.

    >>> source = Source("wards", pa.table({"grade": [0, 1, 2, 0] * 5, "age": range(20)}))
    >>> next(_leaks(source, ["grade", "age"], np.array([0, 1, 1, 0] * 5), "ill"))[:60]
    "column 'grade' alone tells the label 'ill', as each of its 3"
    """
    for column, count in telling_columns(source, columns, labels).items():
        yield (
            f"column '{column}' alone tells the label '{label}', as each of its {count} values goes with one class: "
            "if it is not known before the label is, leave it out by naming the other inputs in data.columns"
        )
        yield Telling(column, label)


def telling_columns(source: Source, columns: Sequence[str], labels: Array) -> dict[str, int]:
    """Return the columns that alone tell the label, each with the number of its values.

    Args:
        source: its rows in the order of the labels.
        columns: to look at.
        labels: class indices ``(rows,)``, -1 of rows without a label.
    """
    # What a class of few rows goes with may be chance.
    classes, counts = np.unique(labels[labels >= 0], return_counts=True)
    kept = np.flatnonzero(np.isin(labels, classes[counts >= _COMMON]))
    table = source.table.select(list(columns))
    table, labels = (table, labels) if len(kept) == len(labels) else (table.take(kept), labels[kept])
    found = {column: _num_telling(table.column(column), labels) for column in columns}
    return {column: count for column, count in found.items() if count}


def _num_telling(cells: pa.ChunkedArray, labels: Array) -> int:
    """Return how many values a column has if it tells the label, else 0."""
    if pa.types.is_nested(cells.type) or len(np.unique(labels)) < 2:
        return 0
    values = cells.combine_chunks().dictionary_encode(null_encoding="encode")
    counts = _crossed(values.indices.to_numpy(zero_copy_only=False), labels, len(values.dictionary))
    rows, most = counts.sum(1), counts.max(1)
    common = rows >= _COMMON
    told = set(counts[common].argmax(1).tolist())
    is_clear = (rows - most).sum() <= len(labels) // _SLIPS and rows[common].sum() >= _SHARE * len(labels)
    return len(rows) if is_clear and len(told) == counts.shape[1] else 0


def _crossed(values: Array, labels: Array, num_values: int) -> Array:
    """Count rows by value and class, ``(values, classes)``; no class is counted where most values are different."""
    classes, dense = np.unique(labels, return_inverse=True)
    if num_values * _COMMON > len(labels) * 2:
        return np.zeros((1, len(classes)), dtype=np.int64)
    counts = np.bincount(values * len(classes) + dense, minlength=num_values * len(classes))
    return counts.reshape(num_values, len(classes))


def _possible_groups(source: Source, taken: Collection[str | None]) -> tuple[str, ...]:
    """Note columns without a part to play whose names say that they tell which rows belong together.

    >>> _possible_groups(Source("w", pa.table({"recording_id": ["r1", "r1", "r2", "r2"]})), ())[0][:45]
    "column 'recording_id' names 2 things in 4 row"
    """
    table = source.table
    names = [name for name in table.column_names if name not in taken and says_group(name)]
    names = [name for name in names if not pa.types.is_nested(kind := table[name].type) and not pa.types.is_null(kind)]
    counts = {name: pc.count_distinct(table.column(name)).as_py() for name in names}
    return tuple(
        f"column '{name}' names {count} things in {len(source)} rows: if rows of one belong together, as windows of a "
        f"recording do, keep them on one side of every split with data.split.group = '{name}'"
        for name, count in counts.items()
        if 1 < count <= len(source) / 2
    )


def says_group(name: str) -> bool:
    """Say whether a column's name says that it tells which rows belong together.

    >>> says_group("PatientID"), says_group("age")
    (True, False)
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    return bool(re.fullmatch(rf"(.*[\W_])?({'|'.join(_THINGS)})s?([\W_]*(id|no|nr|number|name|code))?", words))
