"""pFedMe.

Dinh, Tran, Nguyen: Personalized Federated Learning with Moreau Envelopes. NeurIPS 2020.
https://arxiv.org/abs/2006.08848 (Algorithm 1).

Differs from the paper: the inner problem is left after a number of steps instead of at an accuracy; a client's own
model solves it once more at the end of the round, over all its examples instead of the last batch; the server weighs
clients by examples, and ``server_lr`` is beta.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated

from pydantic import PositiveFloat, PositiveInt

from headstart.federate.fedprox import Proximal
from headstart.federate.own_model import OwnModel, keep_model
from headstart.training import Batch, ClientData, LocalTraining, Model, Params, Scale, Tree, trees


@dataclass(frozen=True, kw_only=True)
class Moreau(Proximal):
    """The shared model steps towards a client's best near it, ``argmin loss + proximal_mu / 2 ||own - shared||²``.

    Attributes:
        proximal_mu: lambda in the paper; a step goes ``client_lr * proximal_mu`` of the way.
        inner_steps: steps of the inner problem, on each batch; K in the paper.
        inner_lr: their size.
    """

    proximal_mu: Annotated[PositiveFloat, Scale(3)] = 15.0
    inner_steps: Annotated[PositiveInt, Scale(2)] = 5
    inner_lr: Annotated[PositiveFloat, Scale(10)] = 0.05
    client_lr: Annotated[PositiveFloat, Scale(10)] = 0.01

    @property
    def inner(self) -> Proximal:
        """How a client's own model trains."""
        shared = {one.name: getattr(self, one.name) for one in fields(LocalTraining)}
        return Proximal(**{**shared, "client_lr": self.inner_lr}, proximal_mu=self.proximal_mu)

    def slope(self, model: Model, start: Params, params: Params, batch: Batch) -> Params:
        """Return the gradient of the Moreau envelope, ``proximal_mu (params - own)``."""
        own = params
        for _ in range(self.inner_steps):
            slope = Proximal.slope(self, model, params, own, batch)
            own = trees.subtract(own, trees.scale(slope, self.inner_lr))
        return trees.scale(trees.subtract(params, own), self.proximal_mu)


@dataclass(frozen=True, kw_only=True)
class PFedMe(OwnModel):
    """Clients keep models of their own near the shared one, which follows them.

    Attributes:
        local: how the shared model and a client's own take their steps.
        own_epochs: passes of a client's own model, at the end of each round.
    """

    local: Moreau = Moreau()
    own_epochs: Annotated[PositiveInt, Scale(3)] = 1

    def client_update(self, model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        """Train the shared model, and from where it ends the client's own."""
        local = self.local.fit(model, shared, data, self.local_epochs)
        own = self.local.inner.fit(model, local, data, self.own_epochs, stream="own")
        return trees.subtract(local, shared), keep_model(own)
