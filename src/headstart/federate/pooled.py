"""Pooled training: the reference.

Not a federated method: it trains on all clients' data as if one client held them, which no real federation can do.
It is the yardstick that McMahan et al. 2017 (https://arxiv.org/abs/1602.05629) and all since compare with.

Differs from the paper: nothing; plain minibatch training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import PositiveInt

from headstart.federate.protocol import Begin, Federate, Schedule
from headstart.training import ClientData, LocalTraining, Model, Params, Scale, Trainable, Tree, trees


@dataclass(frozen=True, kw_only=True)
class Pooled(Federate):
    """Train on the union of the clients' training data.

    Attributes:
        epochs: passes over the union.
        local: how steps are taken.
        trainable: where the model is cut.
    """

    epochs: Annotated[PositiveInt, Scale(3)] = 20
    local: LocalTraining = LocalTraining()
    trainable: Trainable = "all"

    pooled: ClassVar[bool] = True

    @property
    def schedule(self) -> Schedule:
        """One round with one client, who has everything."""
        return Schedule(rounds=1)

    def init(self, model: Model, params: Params) -> Begin:
        """Share the starting parameters."""
        return Begin(params, {}, {})

    def client_update(self, model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        """Train on everything."""
        return trees.subtract(self.local.fit(model, shared, data, self.epochs), shared), private

    def server_update(
        self, model: Model, shared: Tree, state: Tree, update: Tree, share: float = 1.0
    ) -> tuple[Tree, Tree]:
        """Take the result."""
        return trees.add(shared, update), state

    def personal_params(self, model: Model, shared: Tree, private: Tree) -> Params:
        """Every client is evaluated with the pooled parameters."""
        return shared
