"""FedDyn.

Acar, Zhao, Matas, Mattina, Whatmough, Saligrama: Federated Learning Based on Dynamic Regularization. ICLR 2021.
https://arxiv.org/abs/2111.04263 (Algorithm 1, equation 1).

Differs from the paper: clients take a fixed number of epochs instead of reaching the optimum; their mean is weighted by
numbers of examples, of which the fixed point then is the optimum. Gradients are kept divided by alpha, which is called
``proximal_mu``: a linear and a quadratic term are one pull, towards another place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import PositiveFloat, PositiveInt

from headstart.federate.fedprox import Proximal
from headstart.federate.protocol import Begin, Federate, Schedule
from headstart.training import ClientData, Model, Params, Scale, Trainable, Tree, trees


@dataclass(frozen=True, kw_only=True)
class Dynamic(Proximal):
    """Every client's loss has the terms ``- <gradient, w> + proximal_mu / 2 ||w - shared||²``."""

    proximal_mu: Annotated[PositiveFloat, Scale(10)] = 0.01


@dataclass(frozen=True, kw_only=True)
class FedDyn(Federate):
    """Clients move their regulariser such that where they agree is where their losses together are least.

    A client's private tree is the gradient of its loss where it last stood, over ``proximal_mu``; the server keeps the
    sum of all mean updates. Neither travels.

    Attributes:
        schedule: rounds and cohorts.
        local_epochs: passes of a client over its data, each round.
        local: how a client takes its steps.
        trainable: where the model is cut.
    """

    schedule: Schedule = Schedule()
    local_epochs: Annotated[PositiveInt, Scale(3)] = 1
    local: Dynamic = Dynamic()
    trainable: Trainable = "all"

    personal: ClassVar[bool] = False

    def init(self, model: Model, params: Params) -> Begin:
        """Share the starting parameters; all gradients are zero."""
        return Begin(params, trees.zeros_like(params), trees.zeros_like(params))

    def client_update(self, model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        """Train with the pull; keep the gradient in which training ended, which the pull balances."""
        anchor = trees.add(shared, private)
        local = self.local.fit(model, shared, data, self.local_epochs, anchor=anchor)
        return trees.subtract(local, shared), trees.subtract(anchor, local)

    def server_update(
        self, model: Model, shared: Tree, state: Tree, update: Tree, share: float = 1.0
    ) -> tuple[Tree, Tree]:
        """Go to the clients' mean, and on by all that they ever went."""
        state = trees.add(state, trees.scale(update, share))
        return trees.add(trees.add(shared, update), state), state

    def personal_params(self, model: Model, shared: Tree, private: Tree) -> Params:
        """Every client is evaluated with the shared parameters."""
        return shared
