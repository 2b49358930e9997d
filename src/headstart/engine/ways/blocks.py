"""Large cohorts in blocks: whoever has the data trains a block of clients and answers with one sum.

Blocks are cut by position, ``SIZE`` positions each, so that a client is in the same block in every round, and who does
a block may keep what belongs to its clients. Sums are combined in the order of blocks: any number of actors, each as
quick as it is, gives the same bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from headstart.core.arrays import Array
from headstart.core.seeds import Key
from headstart.core.trees import Tree
from headstart.engine.protocol import Chunk, Crew, Engine, Failure, Job
from headstart.engine.sums import Sum

SIZE = 64
"""Positions of a block: enough for a stack to pay, few enough that each of many actors has several."""

WORTH_BLOCKS = 256
"""Clients of a cohort from which blocks pay."""


class SumsUp(Protocol):
    """Actors that can do the job's blocks."""

    def __call__(self, shared: Tree, blocks: Sequence[Array], key: tuple[Key, ...]) -> Iterator[Sum]:
        """Yield the sum of each block of positions, in the order of blocks, whoever is done first."""
        ...


class _Actors(Protocol):
    """Begins a stage with actors."""

    def __call__(self, job: Job) -> SumsUp | None:
        """Return who does a job's blocks; None where nobody can."""
        ...


@dataclass(frozen=True)
class Blocks:
    """Rounds of large cohorts by actors; all else as another engine does it.

    Attributes:
        engine: for all else: small cohorts, adaptation, and servers that need every update.
        actors: begins a stage.
        worth: clients of a cohort from which blocks pay.
    """

    engine: Engine
    actors: _Actors
    worth: int = WORTH_BLOCKS

    @contextmanager
    def crew(self, job: Job) -> Iterator[Crew]:
        """Yield who does a job."""
        sums = self.actors(job) if self._suits(job) else None
        if sums is not None:
            yield _Crew(sums)
            return
        with self.engine.crew(job) as crew:
            yield crew

    def _suits(self, job: Job) -> bool:
        """Say whether a job's updates are added up, and there are many."""
        return job.adding is not None and not job.adding.needs_all and job.cohort_size >= self.worth


@dataclass(frozen=True)
class _Crew:
    """Yields sums instead of clients' results."""

    sums: SumsUp

    def map(self, shared: Tree, positions: Array, key: tuple[Key, ...]) -> Iterator[Chunk | Failure]:
        """Have all blocks done."""
        blocks = blocks_of(positions)
        for block, summed in zip(blocks, self.sums(shared, blocks, key), strict=True):
            yield Chunk(block.tolist(), (), (summed,))


def blocks_of(positions: Array, size: int = SIZE) -> list[Array]:
    """Cut a cohort where a multiple of ``size`` lies between two positions.

    >>> [block.tolist() for block in blocks_of(np.array([1, 5, 64, 70, 200]))]
    [[1, 5], [64, 70], [200]]
    """
    positions = np.sort(positions)
    return np.split(positions, np.flatnonzero(np.diff(positions // size)) + 1) if len(positions) else []


def sum_block(job: Job, crew: Crew, shared: Tree, positions: Array, key: tuple[Key, ...]) -> Sum:
    """Do a block, as an actor.

    Args:
        job: whose results are added up.
        crew: who does the job here.
        shared: the tree that the server sends.
        positions: of the block's clients.
        key: seed and round.
    """
    assert job.adding is not None
    found = Sum(job.adding)
    for result in crew.map(shared, positions, key):
        found.take(result, job.clients.rows)
    return found
