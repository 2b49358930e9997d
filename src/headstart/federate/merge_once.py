"""Fine-tune alone, average once, and keep the own model beside the mean.

Wang, Tian, He, Shen, Sun, Liu, Liu, Liu, Li: Revisiting Federated Fine-Tuning: A Single Communication Round is Enough
for Foundation Models. 2024. https://arxiv.org/abs/2412.04650. The mean of what fine-tuning changed is task arithmetic
(Tao, Mason, Kulkarni, Boix: Task Arithmetic Through The Lens Of One-Shot Federated Learning. TMLR 2025.
https://arxiv.org/abs/2411.18607, which shows that it is FedAvg of one round).

Differs from the paper: each client keeps the model that it trained, which ``own_or_shared`` then compares with the
mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import PositiveInt

from headstart.federate.own_model import keep_model, model_of, no_model
from headstart.federate.protocol import Begin, KeepsOwn, Schedule
from headstart.federate.server import Average
from headstart.training import ClientData, LocalTraining, Model, Params, Scale, Trainable, Tree, trees


@dataclass(frozen=True, kw_only=True)
class MergeOnce(KeepsOwn):
    """Clients train from the shared parameters and keep what they trained; the server averages.

    Attributes:
        local_epochs: passes of a client over its data.
        local: how a client takes its steps.
        trainable: where the model is cut.
        server: what the server does with the mean update.
    """

    local_epochs: Annotated[PositiveInt, Scale(3)] = 5
    local: LocalTraining = LocalTraining()
    trainable: Trainable = "all"
    server: Average = Average()

    schedule: ClassVar[Schedule] = Schedule(rounds=1)
    personal: ClassVar[bool] = False

    def init(self, model: Model, params: Params) -> Begin:
        """Share the starting parameters; at first nobody has a model of its own."""
        return Begin(params, no_model(params), {})

    def client_update(self, model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        """Train locally; send ``local - shared``, keep ``local``."""
        own = self.local.fit(model, shared, data, self.local_epochs)
        return trees.subtract(own, shared), keep_model(own)

    def server_update(
        self, model: Model, shared: Tree, state: Tree, update: Tree, share: float = 1.0
    ) -> tuple[Tree, Tree]:
        """Average."""
        return self.server.update(shared, state, update)

    def personal_params(self, model: Model, shared: Tree, private: Tree) -> Params:
        """Every client is evaluated with the mean."""
        return shared

    def own_params(self, model: Model, shared: Tree, private: Tree) -> Params:
        """Return what the client trained; the mean, if it has not taken part."""
        return model_of(private, shared)
