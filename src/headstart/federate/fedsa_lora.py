"""FedSA-LoRA.

Guo, Zeng, Wang, Fan, Wang, Qu: Selective Aggregation for Low-Rank Adaptation in Federated Learning. ICLR 2025.
https://arxiv.org/abs/2410.01463.

Differs from the paper: a classification head trains and is averaged with A; a client that has not taken part yet has
the first B, which changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import PositiveInt

from headstart.core import trees
from headstart.core.registry import Scale
from headstart.core.trees import Params, Tree
from headstart.federate.fedavg import Average
from headstart.federate.protocol import Begin, Reduction, Schedule
from headstart.federate.server import ServerOptimizer
from headstart.models.lora import Lora
from headstart.models.model import Model, Trainable
from headstart.training.client_data import ClientData
from headstart.training.local import LocalTraining


@dataclass(frozen=True, kw_only=True)
class FedSALora:
    """FedAvg over the A of low-rank adapters and the head; every client keeps a B of its own."""

    schedule: Schedule = Schedule()
    local: LocalTraining = LocalTraining()
    local_epochs: PositiveInt = field(default=1, metadata={"search": Scale(3)})
    adapter: Lora = Lora()
    server: ServerOptimizer = Average()

    reduce: ClassVar[Reduction] = "mean"
    pooled: ClassVar[bool] = False

    @property
    def trainable(self) -> Trainable:
        """Adapters and the head."""
        return self.adapter

    def init(self, model: Model, params: Params) -> Begin:
        """Share A and the head; every client begins with the same B."""
        shared, own = split(params)
        return Begin(shared, own, self.server.init(shared))

    def client_update(self, model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        """Train both; send the update of A and the head, keep B."""
        trained, own = split(self.local.fit(model, {**shared, **private}, data, self.local_epochs))
        return trees.subtract(trained, shared), own

    def server_update(self, model: Model, shared: Tree, state: Tree, update: Tree) -> tuple[Tree, Tree]:
        """Let the server's optimiser take the mean update."""
        return self.server.update(shared, state, update)

    def personal_params(self, model: Model, shared: Tree, private: Tree) -> Params:
        """The shared A with the client's own B."""
        return {**shared, **private}


def split(params: Params) -> tuple[Tree, Tree]:
    """Return what is shared, and every B."""
    own = [name for name in params if name.endswith(".B")]
    return trees.select(params, [name for name in params if name not in own]), trees.select(params, own)
