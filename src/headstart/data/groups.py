"""Rows that belong together, such as windows of one recording or visits of one patient: no split parts them.

A model that has seen one window of a recording knows its neighbour, so that windows on both sides of a split make a
test of memory. Groups are a client's own: the patient 7 of one hospital is not the patient 7 of another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from headstart.core.arrays import Array
from headstart.core.errors import DataError
from headstart.core.words import counted
from headstart.data.federation import Split
from headstart.data.sources import Source


def group_codes(source: Source, column: str | None) -> Array | None:
    """Number the groups of all rows in the order of their names; None where nothing groups them.

    >>> import pyarrow as pa
    >>> group_codes(Source("w", pa.table({"day": ["wed", "mon", "wed"]})), "day")
    array([1, 0, 1])
    """
    if column is None:
        return None
    names = [str(name) for name in source.texts(column, "data.split.group")]
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def usual_labels(labels: Array, groups: Array) -> tuple[Array, Array]:
    """Return each group's most frequent class, and the place of every row's group in that.

    >>> usual_labels(np.array([0, 1, 1, 0]), np.array([7, 7, 7, 3]))
    (array([0, 1]), array([1, 1, 1, 0]))
    """
    classes, dense = np.unique(labels, return_inverse=True)
    names, places = np.unique(groups, return_inverse=True)
    counts = np.zeros((len(names), len(classes)), dtype=np.int64)
    np.add.at(counts, (places, dense), 1)
    return classes[counts.argmax(1)] if len(names) else labels, places


def whole_groups(labels: Array, groups: Array, count: int, rng: np.random.Generator, keep: int = 1) -> Array:
    """Draw whole groups of about ``count`` rows, classes in turn, as near to it as their sizes allow.

    A group of more than half the rows comes last. At least one group is drawn, and ``keep`` are left, where there are
    so many. The same draw of as many rows as were drawn is the same.

    Args:
        labels: any keys to balance, ``(positions,)``.
        groups: whose each position is.
        count: how many positions to draw; none where it is 0.
        rng: source of the draw.
        keep: how many groups to leave; all but one where there are fewer.

    Returns:
        Positions in ascending order.
    """
    usual, places = usual_labels(labels, groups)
    sizes = np.bincount(places)
    most = max(len(sizes) - max(1, min(keep, len(sizes) - 1)), 0) if count else 0
    order = _in_turn(usual, sizes > len(places) / 2, rng)[:most]
    middles = np.cumsum(sizes[order]) - sizes[order] / 2
    drawn = order[: max(1, int((middles <= count).sum()))]
    return np.flatnonzero(np.isin(places, drawn))


def check_sides(
    members: Mapping[str, Array], names: Sequence[str | None], splits: Sequence[Split | None], group: str, column: str
) -> None:
    """Check that a column of splits keeps every client's groups whole.

    Args:
        members: rows of each client.
        names: of every row's group.
        splits: of every row; None of a row that no split has.
        group: name of the column of groups.
        column: name of the column of splits.

    Raises:
        DataError: rows of a group are in two splits.
    """
    found: dict[tuple[str, str], set[Split]] = {}
    for client, rows in members.items():
        for row in rows:
            if (split := splits[row]) is not None:
                found.setdefault((client, str(names[row])), set()).add(split)
    parted = {owner: sides for owner, sides in found.items() if len(sides) > 1}
    if parted:
        (client, name), sides = next(iter(parted.items()))
        raise DataError(
            f"data.split.group: rows of one '{group}' must be in one split, but '{column}' parts those of "
            f"{len(parted)}, such as '{name}' of '{client}' into {' and '.join(sorted(sides))}; mend '{column}', or "
            "leave one of both out"
        )


def group_notes(members: Mapping[str, Array], names: Sequence[str | None], group: str) -> tuple[str, ...]:
    """Note names that several clients have, which are kept whole at each alone, and clients of one group."""
    held = {client: Counter(str(names[row]) for row in rows) for client, rows in members.items()}
    owners = Counter(name for found in held.values() for name in found)
    shared = sorted(name for name, count in owners.items() if count > 1)
    rows = sum(found[name] for found in held.values() for name in shared)
    single = [client for client, found in held.items() if len(found) == 1]
    of_several = counted(f"values of '{group}' that several clients have", shared)
    of_one = counted(f"clients with one value of '{group}'", single)
    notes = (
        f"{of_several}; each client keeps its own of their {rows:,} rows in one split, and if they are the same, one "
        "may train on what another is tested on",
        f"{of_one}; all their rows are for training",
    )
    return tuple(note for note, found in zip(notes, (shared, single), strict=True) if found)


def _in_turn(labels: Array, is_last: Array, rng: np.random.Generator) -> Array:
    """Order groups by chance so that every beginning holds the classes' shares."""
    _, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    starts, order = rng.random(len(counts)), rng.permutation(len(labels))
    ranks = np.zeros(len(labels))
    for number in range(len(counts)):
        ranks[order[classes[order] == number]] = np.arange(counts[number])
    return np.lexsort(((ranks + starts[classes]) / counts[classes], is_last))
