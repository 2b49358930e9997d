"""What a server does with the mean update: the other half of every averaging method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pydantic import PositiveFloat

from headstart.training import Tree, trees


class ServerOptimizer(Protocol):
    """A server optimiser: a frozen dataclass with two pure functions.

    The mean update points from the shared parameters to the clients' (``local - shared``), so it is minus a gradient.
    """

    def init(self, shared: Tree) -> Tree:
        """Return the optimiser's first state."""
        ...

    def update(self, shared: Tree, state: Tree, update: Tree) -> tuple[Tree, Tree]:
        """Return the new shared parameters and the new state."""
        ...


@dataclass(frozen=True, kw_only=True)
class Average:
    """The server adds the mean update, times ``server_lr``."""

    server_lr: PositiveFloat = 1.0

    def init(self, shared: Tree) -> Tree:
        """Return no state."""
        return {}

    def update(self, shared: Tree, state: Tree, update: Tree) -> tuple[Tree, Tree]:
        """Return ``shared + server_lr * update``."""
        return trees.add(shared, trees.scale(update, self.server_lr)), state
