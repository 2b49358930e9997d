"""Splits by time: a client's earliest rows train, those that follow are for validation, the latest for testing.

What is cut is time, not a list of rows: rows of one time are never parted, so that shares are met as near as times
allow; with groups, so that the split that is shortest of its share has the most rows. A group, such as a patient, is
dated by its first row: tests are on those who came later, as where a model is used on patients to come. What an earlier
group brings after the cut would tell of the time that is tested, so it counts for nothing (as in purged
cross-validation: López de Prado 2018, chapter 7). So all rows that train are earlier than all rows of validation, and
these than all of test. Classes cannot be balanced on the way.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from headstart.core.arrays import Array
from headstart.core.words import counted
from headstart.data.federation import Client
from headstart.data.partition import Members
from headstart.data.split import split_sizes
from headstart.data.split_settings import SplitSettings

_MOST_CUTS = 200
"""Times that are tried as cuts."""


class _Cuts(NamedTuple):
    """Times from which rows are val and test; infinite where none is."""

    val: float
    test: float


def split_by_time(
    members: Members, times: Array, settings: SplitSettings, groups: Array | None = None
) -> tuple[list[Client], Array]:
    """Split every client's rows by time.

    Args:
        members: rows of each client.
        times: of every row, in any unit.
        settings: shares, and whether clients are cut at times of their own or at common ones.
        groups: whose each row is; those of a client are dated by its own rows alone.

    Returns:
        The clients, and the rows of groups that are too late for their split, ascending.

    >>> at = np.array([2019, 2021, 2020, 2020, 2022])
    >>> (client,), _ = split_by_time({"ward": np.arange(5)}, at, SplitSettings())
    >>> client.train.tolist(), client.val.tolist(), client.test.tolist()
    ([0, 2, 3], [1], [4])
    """
    begun = {name: _begun(times[rows], None if groups is None else groups[rows]) for name, rows in members.items()}
    every = np.concatenate([times[rows] for rows in members.values()])
    common = _cuts(every, np.concatenate(list(begun.values())), settings)
    clients, late = [], [np.zeros(0, np.int64)]
    for name, rows in members.items():
        own, starts = times[rows], begun[name]
        cuts = common if settings.time_cut == "common" else _cuts(own, starts, settings)
        train, val, test = _parts(own, starts, cuts)
        clients.append(Client(name, rows[train], rows[val], rows[test]))
        late.append(rows[~(train | val | test)])
    return clients, np.sort(np.concatenate(late))


def time_notes(members: Members, times: Array, column: str) -> tuple[str, ...]:
    """Note clients whose rows are all of one time, which cannot be cut."""
    single = [name for name, rows in members.items() if len(rows) > 1 and len(np.unique(times[rows])) == 1]
    note = counted(f"clients with one value of '{column}'", single)
    return (f"{note}; all their rows are in one split",) if note else ()


def _begun(times: Array, groups: Array | None) -> Array:
    """Return when the group of each row began.

    >>> _begun(np.array([3, 1, 2]), np.array([7, 8, 7]))
    array([2, 1, 2])
    """
    if groups is None:
        return times
    _, places = np.unique(groups, return_inverse=True)
    first = np.full(places.max(initial=-1) + 1, times.max(initial=0))
    np.minimum.at(first, places, times)
    return np.asarray(first[places])


def _cuts(times: Array, starts: Array, settings: SplitSettings) -> _Cuts:
    if (starts < times).any():
        return _fullest_cuts(times, starts, settings)
    num_val, num_test = split_sizes(len(times), settings)
    test = _cut(starts, num_test, keep=2 if settings.val else 1)
    known = (starts < test) & (times < test)
    return _Cuts(_cut(starts[known], num_val, keep=1), test)


def _fullest_cuts(times: Array, starts: Array, settings: SplitSettings) -> _Cuts:
    """Return the times at which the least full split is the fullest: by its rows, as late ones count for nothing."""
    at = np.unique(starts)
    at = at[np.unique(np.linspace(0, len(at) - 1, min(len(at), _MOST_CUTS)).round().astype(int))]
    if len(at) < 2 or not (settings.val or settings.test):
        return _Cuts(float("inf"), float("inf"))
    # Row ``r`` starts at cut ``i`` or later if ``begun[r] > i``, and is earlier than cut ``j`` if ``seen[r] <= j``.
    begun, seen = (np.searchsorted(at, values, side="right") for values in (starts, times))
    rows = np.zeros((len(at) + 1, len(at) + 1))
    np.add.at(rows, (begun, seen), 1)
    between = rows[::-1].cumsum(0)[::-1].cumsum(1)
    train, test = between[0, : len(at)], between[1:, -1]
    if not settings.test:
        val = int(np.minimum(train / settings.train, test / settings.val)[1:].argmax()) + 1
        return _Cuts(float(at[val]), float("inf"))
    if settings.val:
        fill = np.minimum(train[:, None] / settings.train, between[1:, : len(at)] / settings.val)
        fill = np.triu(np.minimum(fill, test[None] / settings.test), 1)
        before, after = np.unravel_index(fill.argmax(), fill.shape)
        if fill[before, after]:
            return _Cuts(float(at[before]), float(at[after]))
    # No validation is asked for, or times leave no room for any.
    first = int(np.minimum(train / settings.train, test / settings.test)[1:].argmax()) + 1
    return _Cuts(float(at[first]), float(at[first]))


def _cut(starts: Array, count: int, keep: int) -> float:
    """Return the time from which on there are about ``count`` rows; ``keep`` times are earlier if there are so many."""
    distinct, counts = np.unique(starts, return_counts=True)
    if not count or len(distinct) < 2:
        return float("inf")
    first = min(keep, len(distinct) - 1)
    since = counts[::-1].cumsum()[::-1][first:]
    return float(distinct[first + int(np.abs(since - count).argmin())])


def _parts(times: Array, starts: Array, cuts: _Cuts) -> tuple[Array, Array, Array]:
    """Return masks of train, val and test."""
    val_until = min(cuts.val, cuts.test)
    train = (starts < val_until) & (times < val_until)
    val = (starts >= cuts.val) & (starts < cuts.test) & (times < cuts.test)
    return train, val, starts >= cuts.test
