"""What a server does with the mean update: the other half of every averaging method."""

from __future__ import annotations

from typing import Protocol

from headstart.core.trees import Tree


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
