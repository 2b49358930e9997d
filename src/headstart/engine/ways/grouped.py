"""A few clients at a time as one network: the convolutions of several clients are groups of one convolution.

Their minibatches go through it together, in one process or in several. Clients of about as many examples are put
together, so that little is padded, and who is with whom depends on nothing but their sizes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from torch import Tensor

from headstart.core.arrays import Array
from headstart.core.machine import threads
from headstart.core.seeds import Key
from headstart.core.trees import Tree
from headstart.engine.protocol import Chunk, Failure, Job
from headstart.engine.ways.stacks import Stacked
from headstart.engine.ways.workers import Workers, longest_first
from headstart.models.grouped_layers import UnknownLayer
from headstart.models.model import Model


@dataclass(eq=False)
class Grouped:
    """Does a job for groups of clients, in one process or in several.

    Attributes:
        job: what is to be done.
        group_size: clients of a group, at most.
        processes: number of processes; 1 forks none.

    Raises:
        UnknownLayer: the model cannot train in groups, see :func:`why_not_grouped`.
    """

    job: Job
    group_size: int
    processes: int
    _workers: Workers | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Write the network down for several clients."""
        model = self.job.model.grouped(self.job.clients.activations.few(self.job.model, 1))
        self.job = replace(self.job, model=model)

    def __enter__(self) -> Grouped:
        if self.processes > 1:
            groups = -(-self.job.cohort_size // self.group_size)
            self._workers = Workers(self.job, self.processes, groups, self.group_size, self._group)
        return self

    def __exit__(self, *details: object) -> None:
        if self._workers:
            self._workers.__exit__(*details)

    def map(self, shared: Tree, positions: Array, key: tuple[Key, ...]) -> Iterator[Chunk | Failure]:
        """Do the work, longest clients first."""
        if self._workers:
            yield from self._workers.map(shared, positions, key)
            return
        for group in longest_first(self.job, positions, self.group_size):
            # One thread, as in several processes: sums are then the same bits.
            with threads(1):
                found = list(self._group.map(shared, group, key))
            yield from found

    @cached_property
    def _group(self) -> Stacked:
        """Does a group; one that fails is done again client by client."""
        return Stacked(self.job, chunk_bytes=sys.maxsize, block_bytes=sys.maxsize)


def why_not_grouped(model: Model, inputs: Tensor) -> str:
    """Say why clients cannot train in groups; empty if they can.

    Args:
        model: what trains.
        inputs: a few activations at its cut.
    """
    try:
        model.grouped(inputs)
    except UnknownLayer as error:
        return str(error)
    return ""
