"""FedIT.

Zhang, Vahidian, Kuo, Li, Zhang, Yu, Zhou, Wang, Chen: Towards Building the Federated GPT: Federated Instruction Tuning.
ICASSP 2024. https://arxiv.org/abs/2305.05644.

Differs from the paper: a classification head trains and is averaged too; the server may scale the mean update.
"""

from __future__ import annotations

from dataclasses import dataclass, field
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
class FedIT:
    """FedAvg over low-rank adapters: clients train A, B and the head; the server averages each on its own.

    The mean of products is not the product of means, so that the average is no client's mean change.
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
        """Adapters and the head."""
        return self.adapter

    def init(self, model: Model, params: Params) -> Begin:
        """Share the fresh adapters and the head."""
        return Begin(params, {}, self.server.init(params))

    def client_update(self, model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        """Train locally; send ``local - shared``."""
        return local_update(model, shared, data, self.local, self.local_epochs), private

    def server_update(self, model: Model, shared: Tree, state: Tree, update: Tree) -> tuple[Tree, Tree]:
        """Let the server's optimiser take the mean update."""
        return self.server.update(shared, state, update)

    def personal_params(self, model: Model, shared: Tree, private: Tree) -> Params:
        """Every client is evaluated with the shared adapters."""
        return shared
