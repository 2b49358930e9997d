"""Ditto.

Li, Hu, Beirami, Smith: Ditto: Fair and Robust Federated Learning Through Personalization. ICML 2021.
https://arxiv.org/abs/2012.04221 (Algorithm 1).

Differs from the paper: both models take passes over the client's data instead of steps, in orders of their own; a
client's first own model is the shared one of the round that it joins, and until then that of the last round.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import NonNegativeFloat, PositiveInt

from headstart.federate.own_model import OwnModel, keep_model, model_of, pulled
from headstart.training import ClientData, Model, Scale, Tree


@dataclass(frozen=True, kw_only=True)
class Ditto(OwnModel):
    """Beside FedAvg's model every client trains one of its own, pulled towards the shared one.

    Attributes:
        proximal_mu: how strongly; lambda in the paper. 0 leaves each client alone, much of it leaves FedAvg.
        own_epochs: passes of a client's own model, each round.
    """

    proximal_mu: Annotated[NonNegativeFloat, Scale(10)] = 0.1
    own_epochs: Annotated[PositiveInt, Scale(3)] = 1

    def client_update(self, model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        """Train the shared model as FedAvg does, and the client's own with the pull."""
        update, _ = OwnModel.client_update(self, model, shared, {}, data)
        local = pulled(self.local, self.proximal_mu)
        own = local.fit(model, model_of(private, shared), data, self.own_epochs, stream="own", anchor=shared)
        return update, keep_model(own)
