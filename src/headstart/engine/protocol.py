"""What an engine does: the same piece of work for many clients, round after round."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from headstart.core.arrays import Array
from headstart.core.seeds import Key
from headstart.core.trees import Tree
from headstart.engine.clients import Clients
from headstart.engine.privates import Privates
from headstart.models.model import Model
from headstart.training.client_data import ClientData

Work = Callable[[Model, Tree, Tree, ClientData], tuple[Tree, ...]]
"""One client's work: from the shared and the private tree and the data to result trees."""

Finish = Callable[[Sequence[int], tuple[Tree, ...]], list[Any]]
"""What is made of results where they were computed: from positions and stacked result trees to one value each."""


@dataclass(frozen=True)
class Adding:
    """How a round's updates are added up.

    Attributes:
        clip_norm: longest update; longer ones are shortened to it. None clips none.
        is_equal: whether all clients count the same, whatever they hold.
        is_mean: whether updates are averaged by numbers of examples.
        needs_all: whether the server needs every update, as the robust aggregates do, and methods that look at each.
    """

    clip_norm: float | None = None
    is_equal: bool = False
    is_mean: bool = True
    needs_all: bool = False


@dataclass(frozen=True, eq=False)
class Job:
    """A stage's work, the same in every round.

    Attributes:
        work: what each client does.
        model: for which model.
        clients: who works, and their data.
        privates: each client's private tree.
        finish: what is made of the results; None hands on the trees themselves.
        batch_size: of the clients' steps; by this and what follows an engine judges how to do them.
        cohort_size: clients per round.
        dtype: of the weights.
        is_summed: whether results are added up as they are, so that equal blocks of clients give equal sums.
        adding: how results are added up in every round; None where they are not.
    """

    work: Work
    model: Model
    clients: Clients
    privates: Privates
    finish: Finish | None = None
    batch_size: int = 32
    cohort_size: int = 1
    dtype: torch.dtype = torch.float32
    is_summed: bool = False
    adding: Adding | None = None

    @property
    def num_bytes(self) -> int:
        """Bytes of what one client trains."""
        return self.model.num_trainable * self.dtype.itemsize


@dataclass(frozen=True)
class Chunk:
    """Results of some clients; to be used before the next ones are asked for.

    Attributes:
        positions: which clients.
        results: result trees, stacked over these clients; empty if the job has a ``finish``.
        finished: what ``finish`` made of each client's results; or the one sum of all, where they were added up.
    """

    positions: Sequence[int]
    results: tuple[Tree, ...]
    finished: Sequence[Any] = ()


@dataclass(frozen=True)
class Failure:
    """A client whose work raised an error."""

    position: int
    reason: str


class Crew(Protocol):
    """Whoever does a job."""

    def map(self, shared: Tree, positions: Array, key: tuple[Key, ...]) -> Iterator[Chunk | Failure]:
        """Do the work for the clients at ``positions``, in an order that depends on nothing but these.

        Args:
            shared: the tree that the server sends.
            positions: whose turn it is.
            key: seed and round; with a client's id it fixes that client's randomness.
        """
        ...


class Engine(Protocol):
    """Where client work runs; every engine gives the same numbers."""

    def crew(self, job: Job) -> AbstractContextManager[Crew]:
        """Return who does a job, for as long as its stage lasts."""
        ...


def chunk_of(job: Job, positions: Sequence[int], results: tuple[Tree, ...]) -> Chunk:
    """Finish results, if the job says how."""
    if job.finish is None:
        return Chunk(positions, results)
    return Chunk(positions, (), job.finish(positions, results))


def failure_of(position: int, error: Exception) -> Failure:
    """Say what went wrong with a client."""
    return Failure(position, f"{type(error).__name__}: {error}")
