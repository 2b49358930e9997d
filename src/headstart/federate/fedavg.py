"""FedAvg.

McMahan, Moore, Ramage, Hampson, Agüera y Arcas: Communication-Efficient Learning of Deep Networks from Decentralized
Data. AISTATS 2017. https://arxiv.org/abs/1602.05629 (Algorithm 1).

Differs from the paper: the cohort has a fixed size instead of a fraction of the population; the server may scale the
mean update (``server_lr``, 1 in the paper).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import PositiveInt

from headstart.federate.protocol import Begin, Federate, Schedule
from headstart.federate.server import Average, ServerOptimizer
from headstart.federate.sharing import Sharing
from headstart.training import ClientData, LocalTraining, Model, Params, Scale, Trainable, Tree, trees


@dataclass(frozen=True, kw_only=True)
class FedAvg(Federate):
    """Clients train a few epochs from the shared parameters; the server averages.

    With other parts this is FedProx, FedAvgM, FedAdam, FedSA-LoRA and more: see the registry.

    Attributes:
        schedule: rounds and cohorts.
        local_epochs: passes of a client over its data, each round.
        local: how a client takes its steps.
        trainable: where the model is cut.
        sharing: what stays with its client.
        server: what the server does with the mean update.
    """

    schedule: Schedule = Schedule()
    local_epochs: Annotated[PositiveInt, Scale(3)] = 1
    local: LocalTraining = LocalTraining()
    trainable: Trainable = "all"
    sharing: Sharing = Sharing()
    server: ServerOptimizer = Average()

    def init(self, model: Model, params: Params) -> Begin:
        """Share the starting parameters; every client begins with the same private ones."""
        shared, private = self.sharing.split(model, params)
        return Begin(shared, private, self.server.init(shared))

    def client_update(self, model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        """Train locally; send ``local - shared``, keep what is private."""
        trained = self.local.fit(model, {**shared, **private}, data, self.local_epochs)
        return trees.subtract(trees.select(trained, shared), shared), trees.select(trained, private)

    def server_update(
        self, model: Model, shared: Tree, state: Tree, update: Tree, share: float = 1.0
    ) -> tuple[Tree, Tree]:
        """Let the server's optimiser take the mean update."""
        return self.server.update(shared, state, update)

    def personal_params(self, model: Model, shared: Tree, private: Tree) -> Params:
        """Every client is evaluated with the shared parameters and its own."""
        return {**shared, **private}
