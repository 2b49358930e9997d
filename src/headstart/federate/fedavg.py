"""FedAvg.

McMahan, Moore, Ramage, Hampson, Agüera y Arcas: Communication-Efficient Learning of Deep Networks from Decentralized
Data. AISTATS 2017. https://arxiv.org/abs/1602.05629 (Algorithm 1).

Differs from the paper: the cohort has a fixed size instead of a fraction of the population; the server may scale the
mean update (``server_lr``, 1 in the paper).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import PositiveFloat, PositiveInt

from headstart.core import trees
from headstart.core.registry import Scale
from headstart.core.trees import Params, Tree
from headstart.federate.protocol import Begin, Reduction, Schedule
from headstart.federate.server import ServerOptimizer
from headstart.models.model import Model, Trainable
from headstart.training.client_data import ClientData
from headstart.training.local import LocalTraining, Regularizer


@dataclass(frozen=True, kw_only=True)
class Average:
    """The server adds the mean update, times ``server_lr``."""

    server_lr: PositiveFloat = 1.0

    def init(self, shared: Tree) -> Tree:
        """Return no state."""
        return {}

    def update(self, shared: Tree, state: Tree, update: Tree) -> tuple[Tree, Tree]:
        """Return ``shared + server_lr * update``."""
        return trees.add(shared, trees.scale(update, self.server_lr)), state


@dataclass(frozen=True, kw_only=True)
class FedAvg:
    """Clients train a few epochs from the shared parameters; the server averages.

    With another ``server`` optimiser this is FedAvgM, FedAdam, FedYogi or FedAdagrad.

    Attributes:
        schedule: rounds and cohorts.
        local: how a client takes its steps.
        local_epochs: passes of a client over its data, each round.
        trainable: where the model is cut.
        server: what the server does with the mean update.
    """

    schedule: Schedule = Schedule()
    local: LocalTraining = LocalTraining()
    local_epochs: PositiveInt = field(default=1, metadata={"search": Scale(3)})
    trainable: Trainable = "all"
    server: ServerOptimizer = Average()

    reduce: ClassVar[Reduction] = "mean"
    pooled: ClassVar[bool] = False

    def init(self, model: Model, params: Params) -> Begin:
        """Share the starting parameters."""
        return Begin(params, {}, self.server.init(params))

    def client_update(self, model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        """Train locally; send ``local - shared``."""
        return local_update(model, shared, data, self.local, self.local_epochs), private

    def server_update(self, model: Model, shared: Tree, state: Tree, update: Tree) -> tuple[Tree, Tree]:
        """Let the server's optimiser take the mean update."""
        return self.server.update(shared, state, update)

    def personal_params(self, model: Model, shared: Tree, private: Tree) -> Params:
        """Every client is evaluated with the shared parameters."""
        return shared


def local_update(
    model: Model,
    shared: Tree,
    data: ClientData,
    local: LocalTraining,
    local_epochs: int,
    regularizer: Regularizer | None = None,
) -> Tree:
    """Return the update ``local - shared`` of one client, or of a stack."""
    trained = local.fit(model, shared, data, local_epochs, regularizer=regularizer)
    return trees.subtract(trained, shared)
