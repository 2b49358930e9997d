"""How long work takes in several processes: its pieces given out longest first, each after what it needs."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Load:
    """Pieces of work that are alike.

    Attributes:
        seconds: of all of them, one after another in one process; at least 0.
        pieces: how many, at least 1.
        after: position, among all loads, of the one that must be done before; None waits for nothing. Of several pieces
            each waits for one, in turn.
    """

    seconds: float
    pieces: int = 1
    after: int | None = None


def makespan(loads: Sequence[Load], workers: int) -> float:
    """Return the seconds from the first piece's begin to the last one's end, in so many processes.

    Whoever is free takes, of the pieces that may begin, the one with the longest way to the end before it (list
    scheduling by critical path; Graham 1969, at most twice the shortest possible). Never less than the longest way, nor
    than all work shared out evenly.

    Args:
        loads: each after the one that it waits for.
        workers: processes, at least 1.

    >>> makespan([Load(4.0, 4), Load(6.0, 4, after=0)], 1)
    10.0
    >>> makespan([Load(4.0, 4), Load(6.0, 4, after=0)], 100)
    2.5
    """
    ways = _ways(loads)
    ready = [(-ways[at], at, piece) for at, load in enumerate(loads) if load.after is None for piece in _pieces(load)]
    heapq.heapify(ready)
    running: list[tuple[float, int, int]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < workers:
            _, at, piece = heapq.heappop(ready)
            heapq.heappush(running, (now + loads[at].seconds / loads[at].pieces, at, piece))
        now, at, piece = heapq.heappop(running)
        for other, load in enumerate(loads):
            if load.after == at:
                waiting = [one for one in _pieces(load) if one % loads[at].pieces == piece]
                for one in waiting:
                    heapq.heappush(ready, (-ways[other], other, one))
    return now


def _pieces(load: Load) -> range:
    return range(load.pieces)


def _ways(loads: Sequence[Load]) -> list[float]:
    """Return the longest way from each load's begin to the end, one piece of each."""
    ways = [load.seconds / load.pieces for load in loads]
    for at in reversed(range(len(loads))):
        if (before := loads[at].after) is not None:
            own = loads[before].seconds / loads[before].pieces
            ways[before] = max(ways[before], own + ways[at])
    return ways
