"""What an engine does: the same piece of work for many clients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from headstart.core.trees import Tree
from headstart.engine.team import Team
from headstart.models.batches import ClientData
from headstart.models.model import Model

Work = Callable[[Model, Tree, Tree, ClientData], tuple[Tree, ...]]
"""One client's work: from the shared and the private tree and the data to result trees."""


@dataclass(frozen=True)
class Chunk:
    """Results of some clients of a team.

    Attributes:
        positions: which clients of the team, in order.
        results: result trees, stacked over these clients.
    """

    positions: Sequence[int]
    results: tuple[Tree, ...]


@dataclass(frozen=True)
class Failure:
    """A client whose work raised an error."""

    position: int
    reason: str


class Engine(Protocol):
    """Where client work runs; every engine gives the same numbers."""

    def map(
        self, work: Work, model: Model, shared: Tree, privates: Sequence[Tree], team: Team
    ) -> Iterator[Chunk | Failure]:
        """Do ``work`` for each client of ``team``; ``privates[i]`` is the private tree of ``team.clients[i]``."""
        ...
