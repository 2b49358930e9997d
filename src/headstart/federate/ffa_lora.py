"""FFA-LoRA.

Sun, Li, Li, Ding: Improving LoRA in Privacy-preserving Federated Learning. ICLR 2024.
https://arxiv.org/abs/2403.12313.

Differs from the paper: a classification head trains and is averaged too; no noise is added.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

from pydantic import PositiveInt

from headstart.core.registry import Scale
from headstart.core.trees import Params, Tree
from headstart.federate.fedavg import Average, local_update
from headstart.federate.protocol import Begin, Reduction, Schedule
from headstart.federate.server import ServerOptimizer
from headstart.models.batches import ClientData
from headstart.models.lora import Lora
from headstart.models.model import Model, Trainable
from headstart.models.training import LocalTraining


@dataclass(frozen=True, kw_only=True)
class FFALora:
    """FedAvg over low-rank adapters whose A keeps its random values: averaging is then exact, for half the bytes.

    Every client has the same A without being sent it.
    """

    schedule: Schedule = Schedule()
    local: LocalTraining = LocalTraining()
    local_epochs: PositiveInt = field(default=1, metadata={"search": Scale(3)})
    adapter: Lora = Lora()
    server: ServerOptimizer = Average()

    reduce: ClassVar[Reduction] = "mean"
    pooled: ClassVar[bool] = False

    @property
    def trainable(self) -> Trainable:
        """B of the adapters, and the head."""
        return replace(self.adapter, train_a=False)

    def init(self, model: Model, params: Params) -> Begin:
        """Share B and the head."""
        return Begin(params, {}, self.server.init(params))

    def client_update(self, model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        """Train locally; send ``local - shared``."""
        return local_update(model, shared, data, self.local, self.local_epochs), private

    def server_update(self, model: Model, shared: Tree, state: Tree, update: Tree) -> tuple[Tree, Tree]:
        """Let the server's optimiser take the mean update."""
        return self.server.update(shared, state, update)

    def personal_params(self, model: Model, shared: Tree, private: Tree) -> Params:
        """Every client is evaluated with the shared B."""
        return shared
