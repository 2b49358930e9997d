"""APFL.

Deng, Kamani, Mahdavi: Adaptive Personalized Federated Learning. 2020.
https://arxiv.org/abs/2003.13461 (Algorithm 1, equation 11).

Differs from the paper: passes over the client's data instead of a number of steps; where the weight of the mixture is
learnt, it takes one step a round, on one batch; a client's first own model is the shared one of the round that it
joins, and clients are evaluated with their mixture with the last shared model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from headstart.federate.own_model import OwnModel, keep_model, model_of, no_model
from headstart.federate.protocol import Begin
from headstart.training import Batch, ClientData, LocalTraining, Model, Params, Scale, Tensor, Tree, trees

_OWN, _WEIGHT = "own/", "own_weight"


@dataclass(frozen=True, kw_only=True)
class Mixing(LocalTraining):
    """A client's shared and own model step side by side, the own one as part of their mixture."""

    is_plain: ClassVar[bool] = False

    def slope(self, model: Model, start: Params, params: Params, batch: Batch) -> Params:
        """Return the shared model's gradient, and that of the mixture with respect to the own one."""
        own = trees.part(params, _OWN)
        shared, weight = trees.select(params, own), params[_WEIGHT]
        mixed = model.gradient(_mixed(own, shared, weight), batch)
        return model.gradient(shared, batch) | _named(_mixed(mixed, trees.zeros_like(mixed), weight))


@dataclass(frozen=True, kw_only=True)
class Apfl(OwnModel):
    """Beside FedAvg's model every client trains one of its own, and uses a mixture of both.

    Attributes:
        own_weight: share of a client's own model in its mixture, in [0, 1]; alpha in the paper.
        learns_weight: whether each client changes its share, every round, by its slope.
        local: how both models take their steps.
    """

    own_weight: Annotated[float, Field(ge=0, le=1), Scale(2, most=1)] = 0.5
    learns_weight: bool = False
    local: Mixing = Mixing()

    def init(self, model: Model, params: Params) -> Begin:
        """Share the starting parameters; no client has a model of its own yet."""
        weight = params["head.bias"].new_tensor(self.own_weight)
        return Begin(params, {**no_model(params), _WEIGHT: weight}, self.server.init(params))

    def client_update(self, model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        """Train both models on the same batches; send the change of the shared one."""
        own, weight = model_of(private, shared), private[_WEIGHT]
        if self.learns_weight:
            weight = self._learnt(model, shared, own, weight, data)
        both = {**shared, **_named(own)}
        trained = self.local.fit(model, {**both, _WEIGHT: weight}, data, self.local_epochs, only=both)
        update = trees.subtract(trees.select(trained, shared), shared)
        return update, {**keep_model(trees.part(trained, _OWN)), _WEIGHT: weight}

    def _learnt(self, model: Model, shared: Tree, own: Tree, weight: Tensor, data: ClientData) -> Tensor:
        """Return the weight after a step along ``<own - shared, gradient of the mixture>``, kept in [0, 1]."""
        batch = next(iter(data.batches(model, self.local.passes(1, "weight"))))
        mixed = model.gradient(_mixed(own, shared, weight), batch)
        slopes = trees.map_tree(lambda value, left, right: value * (left - right), mixed, own, shared)
        slope = sum(value.flatten(weight.dim()).sum(-1) for value in slopes.values())
        return (weight - self.local.client_lr * slope).clamp(0, 1)

    def personal_params(self, model: Model, shared: Tree, private: Tree) -> Params:
        """Every client is evaluated with its mixture; who never took part, with the shared model."""
        return _mixed(model_of(private, shared), shared, private[_WEIGHT])


def _named(own: Tree) -> Tree:
    return {_OWN + name: value for name, value in own.items()}


def _mixed(own: Tree, shared: Tree, weight: Tensor) -> Tree:
    """Return ``weight own + (1 - weight) shared``; ``weight`` is ``()``, or ``(clients,)`` for a stack."""
    return trees.map_tree(lambda left, right: right + _as(weight, left) * (left - right), own, shared)


def _as(weight: Tensor, value: Tensor) -> Tensor:
    return weight.reshape(weight.shape + (1,) * (value.dim() - weight.dim()))
