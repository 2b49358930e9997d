"""The C-index of survival, from counts of pairs that one sort per doubling of a client's size makes."""

from __future__ import annotations

import numpy as np

from headstart.core.arrays import Array
from headstart.evidence.metrics.scored import Scored, ratio


def c_index(s: Scored) -> Array:
    """Share of comparable pairs whose higher risk has the earlier event, equal risks half (Harrell, JAMA 247, 1982).

    Two examples are comparable if the one with the earlier time had the event, or if times are equal and one of both
    had it; NaN for a client without such a pair. This is lifelines' ``concordance_index``.
    """
    won, pairs = _pairs_of_rows(s)
    index: Array = ratio(_sum(s, won), _sum(s, pairs))
    return index


def c_index_parts(s: Scored) -> Array:
    """Return what each row moves in the C-index, whose mean is the C-index ``(n,)``.

    The infinitesimal jackknife of a ratio of sums over pairs: with ``S`` and ``P`` a row's own sums,
    ``C + n (S - C P) / (all P / 2)``.
    """
    won, pairs = _pairs_of_rows(s)
    index, half = c_index(s)[s.client_of], _sum(s, pairs)[s.client_of] / 2
    parts: Array = index + s.examples[s.client_of] * ratio(won - index * pairs, half)
    return parts


def _sum(s: Scored, values: Array) -> Array:
    return np.bincount(s.client_of, weights=values, minlength=s.num_clients)


def _pairs_of_rows(s: Scored) -> tuple[Array, Array]:
    """Return of how many comparable pairs each row is, and what it has won of them ``(n,)``."""
    time, event = s.truth[:, 0], s.truth[:, 1] > 0.5
    # A risk that is not finite is certain and wrong: too low for an event, too high for who is still there.
    risk = np.where(s.finite, s.predictions[:, 0], np.where(event, -np.inf, np.inf))
    order = np.lexsort((~event, time, s.client_of))
    owner, risk, event = s.client_of[order], risk[order], event[order]
    won, pairs = _count(owner, risk, event)
    # Of two events at one time neither was first.
    new = np.ones(len(order), dtype=bool)
    new[1:] = (owner[1:] != owner[:-1]) | (time[order][1:] != time[order][:-1])
    moment, kept = np.cumsum(new) - 1, np.flatnonzero(event)
    same_won, same_pairs = _count(moment[kept], risk[kept], event[kept])
    won[kept] -= same_won
    pairs[kept] -= same_pairs
    found = np.empty((2, len(order)))
    found[:, order] = won, pairs
    return found[0], found[1]


def _count(group: Array, risk: Array, event: Array) -> tuple[Array, Array]:
    """Count, for rows in order, pairs of an event and any later row of its group, and those that it wins.

    Every two rows of a group lie in the two halves of one block of 2, 4, 8, … rows, once.
    """
    won, pairs = np.zeros(len(group)), np.zeros(len(group))
    if not len(group):
        return won, pairs
    starts = np.flatnonzero(np.concatenate([[True], group[1:] != group[:-1]]))
    sizes = np.diff(np.append(starts, len(group)))
    place = np.arange(len(group)) - np.repeat(starts, sizes)
    for level in range(1, int(sizes.max() - 1).bit_length() + 1):
        block = np.repeat(starts, sizes) + (place >> level)
        more_won, more = _between_halves(block, (place >> (level - 1)) & 1 == 1, risk, event)
        won += more_won
        pairs += more
    return won, pairs


def _between_halves(block: Array, late: Array, risk: Array, event: Array) -> tuple[Array, Array]:
    """Return each row's pairs with the other half of its block, and what it wins of them ``(n,)``."""
    order = np.lexsort((risk, block))
    blocks, risks = block[order], risk[order]
    of_late = np.concatenate([[0], np.cumsum(late[order])])
    of_event = np.concatenate([[0], np.cumsum((event & ~late)[order])])
    new = np.concatenate([[True], blocks[1:] != blocks[:-1]])
    first = new | np.concatenate([[True], risks[1:] != risks[:-1]])
    low, high = _ends(first)
    begin, end = _ends(new)
    below = of_late[low] - of_late[begin] + (of_late[high] - of_late[low]) / 2
    above = of_event[end] - of_event[high] + (of_event[high] - of_event[low]) / 2
    is_late, is_event = late[order], (event & ~late)[order]
    found = np.empty((2, len(block)))
    found[0, order] = np.where(is_late, above, np.where(is_event, below, 0.0))
    everyone = np.where(is_event, of_late[end] - of_late[begin], 0)
    found[1, order] = np.where(is_late, of_event[end] - of_event[begin], everyone)
    return found[0], found[1]


def _ends(first: Array) -> tuple[Array, Array]:
    """Return for each row where its run begins and ends."""
    begin, run = np.flatnonzero(first), np.cumsum(first) - 1
    return begin[run], np.append(begin[1:], len(first))[run]
