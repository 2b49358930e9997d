"""Processes that are spared where they do not pay: clients are done here until a clock says that forking is worth it.

Who does a client changes no bit of its result, and results come longest client first in either case, so that the clock
decides about time alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from headstart.core.arrays import Array
from headstart.core.machine import threads
from headstart.core.seeds import Key
from headstart.core.trees import Tree
from headstart.engine.protocol import Chunk, Failure, Job
from headstart.engine.ways.serial import OneByOne
from headstart.engine.ways.workers import Workers, longest_first

_WORTH = 0.05
"""Seconds of work per round below which processes are not worth their start."""

_SURELY = 1.0
"""The same by the first client's time, to which everything is new."""


@dataclass
class Sparing:
    """Does a job by one thread for each client, here or in processes.

    Attributes:
        job: what is to be done.
        workers: who does it where that pays; None does all of it here.
        pays: whether it does, found out here if not known before.
        worth: seconds of work per round from which it does.
    """

    job: Job
    workers: Workers | None = None
    pays: bool = False
    worth: float = _WORTH

    def map(self, shared: Tree, positions: Array, key: tuple[Key, ...]) -> Iterator[Chunk | Failure]:
        """Do the work, longest client first."""
        here = list[Chunk | Failure]()
        queue = np.array([int(one[0]) for one in longest_first(self.job, positions, 1)], dtype=np.int64)
        while self.workers and not self.pays and len(queue) > 1 and len(here) < 2:
            begin = time.perf_counter()
            here.append(self._one(shared, int(queue[-1]), key))
            queue = queue[:-1]
            seconds = (time.perf_counter() - begin) * len(queue)
            self.pays = seconds > (self.worth if len(here) > 1 else max(self.worth, _SURELY))
        yield from self._rest(shared, queue, key)
        yield from reversed(here)

    def _rest(self, shared: Tree, queue: Array, key: tuple[Key, ...]) -> Iterator[Chunk | Failure]:
        if self.workers and self.pays:
            return self.workers.map(shared, queue, key)
        return (self._one(shared, position, key) for position in queue.tolist())

    def _one(self, shared: Tree, position: int, key: tuple[Key, ...]) -> Chunk | Failure:
        with threads(1):
            return OneByOne(self.job).one(shared, position, key)
