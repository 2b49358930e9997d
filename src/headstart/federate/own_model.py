"""A whole model that a client keeps for itself beside the shared one, from its first round on."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from headstart.federate.fedavg import FedAvg
from headstart.federate.fedprox import Proximal
from headstart.federate.protocol import Begin
from headstart.training import LocalTraining, Model, Params, Tree, trees

_HAS_ONE = "has_own_model"
"""1 once a client has a model of its own, ``()``, or ``(clients,)`` in a stack."""


@dataclass(frozen=True, kw_only=True)
class OwnModel(FedAvg):
    """The part that methods have in common whose clients keep a model each."""

    def init(self, model: Model, params: Params) -> Begin:
        """Share the starting parameters; no client has a model of its own yet."""
        return Begin(params, no_model(params), self.server.init(params))

    def personal_params(self, model: Model, shared: Tree, private: Tree) -> Params:
        """Every client is evaluated with its own model; who never took part, with the shared one."""
        return model_of(private, shared)


def no_model(params: Params) -> Tree:
    """Return the private tree of a client that has none yet."""
    return {**params, _HAS_ONE: torch.zeros_like(params["head.bias"][..., 0])}


def keep_model(own: Params) -> Tree:
    """Return the private tree of a client that has one, or of a stack of such clients."""
    return {**own, _HAS_ONE: torch.ones_like(own["head.bias"][..., 0])}


def model_of(private: Tree, shared: Params) -> Params:
    """Return a client's own model; the shared one, as it is now, where it has none.

    >>> import torch
    >>> shared, own = {"head.bias": torch.zeros(2)}, {"head.bias": torch.ones(2)}
    >>> model_of(no_model(own), shared)["head.bias"], model_of(keep_model(own), shared)["head.bias"]
    (tensor([0., 0.]), tensor([1., 1.]))
    """
    return trees.where(private[_HAS_ONE] > 0, trees.select(private, shared), shared)


def pulled(local: LocalTraining, proximal_mu: float) -> LocalTraining:
    """Return the same training with a pull towards where its client is told that it began."""
    return Proximal(**vars(local), proximal_mu=proximal_mu)
