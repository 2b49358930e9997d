"""FedAvgM: server momentum.

Hsu, Qi, Brown: Measuring the Effects of Non-Identical Data Distribution for Federated Visual Classification. 2019.
https://arxiv.org/abs/1909.06335 (section 4.3).

Differs from the paper: nothing; a server learning rate is added, 1 by default.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field, PositiveFloat

from headstart.core import trees
from headstart.core.registry import Scale
from headstart.core.trees import Tree


@dataclass(frozen=True, kw_only=True)
class Momentum:
    """Velocity ``v = beta v + update``, then ``shared + server_lr v``."""

    server_lr: PositiveFloat = field(default=1.0, metadata={"search": Scale(3)})
    server_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9

    def init(self, shared: Tree) -> Tree:
        """Return a velocity of zero."""
        return trees.zeros_like(shared)

    def update(self, shared: Tree, state: Tree, update: Tree) -> tuple[Tree, Tree]:
        """Advance the velocity and step along it."""
        velocity = trees.map_tree(lambda v, u: v * self.server_momentum + u, state, update)
        return trees.add(shared, trees.scale(velocity, self.server_lr)), velocity
