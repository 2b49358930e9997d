"""MR-MTL: mean-regularised multi-task learning.

Liu, Hu, Wu, Smith: On Privacy and Personalization in Cross-Silo Federated Learning. NeurIPS 2022.
https://arxiv.org/abs/2206.07902 (Algorithm A1).

Differs from the paper: the mean of the clients' models weighs them by examples, as everywhere here, and is that of a
round's cohort; who has no model of its own yet begins with the mean.
"""

from __future__ import annotations

from dataclasses import dataclass

from headstart.federate.fedprox import Proximal
from headstart.federate.own_model import OwnModel, keep_model, model_of
from headstart.training import ClientData, Model, Tree, trees


@dataclass(frozen=True, kw_only=True)
class MeanRegularized(OwnModel):
    """Every client trains a model of its own, pulled towards the mean of all of them.

    Attributes:
        local: how a client takes its steps, and how strongly it is pulled; ``proximal_mu`` is lambda in the paper.
    """

    local: Proximal = Proximal(proximal_mu=0.1)

    def client_update(self, model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        """Train the client's own model, and send how far it is from the mean."""
        own = self.local.fit(model, model_of(private, shared), data, self.local_epochs, anchor=shared)
        return trees.subtract(own, shared), keep_model(own)
