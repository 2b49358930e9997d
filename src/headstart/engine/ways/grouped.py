"""A few clients at a time as one network: the convolutions of several clients are groups of one convolution."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from headstart.core.arrays import Array
from headstart.core.seeds import Key
from headstart.core.trees import Tree
from headstart.engine.protocol import Chunk, Failure, Job
from headstart.models.model import Model


@dataclass(eq=False)
class Grouped:
    """Does a job for groups of clients, in one process or in several.

    Attributes:
        job: what is to be done.
        group_size: clients of a group, at most.
        processes: number of processes; 1 forks none.
    """

    job: Job
    group_size: int
    processes: int

    def __enter__(self) -> Grouped:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def map(self, shared: Tree, positions: Array, key: tuple[Key, ...]) -> Iterator[Chunk | Failure]:
        """Do the work, longest clients first."""
        raise NotImplementedError


def why_not_grouped(model: Model, inputs: Tensor) -> str:
    """Say why clients cannot train in groups; empty if they can.

    Args:
        model: what trains.
        inputs: a few activations at its cut.
    """
    return "not yet" if model.network.depth and len(inputs) else ""
