"""FedProx.

Li, Sahu, Zaheer, Sanjabi, Talwalkar, Smith: Federated Optimization in Heterogeneous Networks. MLSys 2020.
https://arxiv.org/abs/1812.06127 (Algorithm 2, equation 2).

Differs from the paper: clients take a fixed number of epochs instead of an inexactness criterion.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import NonNegativeFloat, PositiveInt

from headstart.core import trees
from headstart.core.registry import Scale
from headstart.core.trees import Params, Tree
from headstart.federate.fedavg import Average, local_update
from headstart.federate.protocol import Begin, Reduction, Schedule
from headstart.federate.server import ServerOptimizer
from headstart.models.model import Model, Trainable
from headstart.training.client_data import ClientData
from headstart.training.local import LocalTraining


@dataclass(frozen=True, kw_only=True)
class FedProx:
    """FedAvg with the term ``proximal_mu / 2 ||w - shared||²`` in every client's loss."""

    schedule: Schedule = Schedule()
    local: LocalTraining = LocalTraining()
    local_epochs: PositiveInt = field(default=1, metadata={"search": Scale(3)})
    proximal_mu: NonNegativeFloat = field(default=0.01, metadata={"search": Scale(10)})
    trainable: Trainable = "all"
    server: ServerOptimizer = Average()

    reduce: ClassVar[Reduction] = "mean"
    pooled: ClassVar[bool] = False

    def init(self, model: Model, params: Params) -> Begin:
        """Share the starting parameters."""
        return Begin(params, {}, self.server.init(params))

    def client_update(self, model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        """Train locally, pulled towards the shared parameters."""

        def pull(params: Params) -> Params:
            return trees.scale(trees.subtract(params, shared), self.proximal_mu)

        return local_update(model, shared, data, self.local, self.local_epochs, pull), private

    def server_update(self, model: Model, shared: Tree, state: Tree, update: Tree) -> tuple[Tree, Tree]:
        """Let the server's optimiser take the mean update."""
        return self.server.update(shared, state, update)

    def personal_params(self, model: Model, shared: Tree, private: Tree) -> Params:
        """Every client is evaluated with the shared parameters."""
        return shared
