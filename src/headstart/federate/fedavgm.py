"""FedAvgM: server momentum.

Hsu, Qi, Brown: Measuring the Effects of Non-Identical Data Distribution for Federated Visual Classification. 2019.
https://arxiv.org/abs/1909.06335 (section 4.3).

Differs from the paper: nothing; a server learning rate is added, 1 by default.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, PositiveFloat

from headstart.training import Scale, Tree, trees


@dataclass(frozen=True, kw_only=True)
class Momentum:
    """Velocity ``v = beta v + update``, then ``shared + server_lr v``."""

    server_lr: Annotated[PositiveFloat, Scale(3)] = 1.0
    server_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9

    def init(self, shared: Tree) -> Tree:
        """Return a velocity of zero."""
        return trees.zeros_like(shared)

    def update(self, shared: Tree, state: Tree, update: Tree) -> tuple[Tree, Tree]:
        """Advance the velocity and step along it."""
        velocity = trees.map_tree(lambda v, u: v * self.server_momentum + u, state, update)
        return trees.add(shared, trees.scale(velocity, self.server_lr)), velocity
