"""Mixing: part of the way from the shared model to the client's own.

Deng, Kamani, Mahdavi: Adaptive Personalized Federated Learning. 2020. https://arxiv.org/abs/2003.13461 (a
personal model is a convex combination of the shared and a local one).

Differs from the paper: the local part is a low-rank adapter that is trained once, after the rounds, on top of the
shared model; the weight of the mixture is a setting, searched on validation data.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from pydantic import Field, PositiveInt

from headstart.core.registry import Scale
from headstart.core.trees import Params
from headstart.models.lora import Lora
from headstart.models.model import Model, Trainable
from headstart.training.client_data import ClientData
from headstart.training.local import LocalTraining


@dataclass(frozen=True, kw_only=True)
class LoraMix:
    """Train a low-rank adapter and the head, and go ``weight`` of the way from the received weights to these.

    Attributes:
        weight: share of the client's own change, in (0, 1].
        epochs: passes over the client's training data.
        local: how steps are taken.
        adapter: which layers have adapters, and of which size.
        accept: keep the result only if it is better on the client's validation data.
    """

    weight: Annotated[float, Field(gt=0, le=1)] = field(default=0.5, metadata={"search": Scale(2, most=1)})
    epochs: PositiveInt = field(default=5, metadata={"search": Scale(4)})
    local: LocalTraining = LocalTraining()
    adapter: Lora = Lora()
    accept: bool = True
    changes_nothing: ClassVar[bool] = False

    @property
    def trainable(self) -> Trainable:
        """Adapters and the head."""
        return self.adapter

    def __call__(self, model: Model, params: Params, data: ClientData) -> Params:
        """Train, then mix: the adapter by its B, which began at zero, the head by its numbers."""
        trained = self.local.fit(model, params, data, self.epochs, stream="adapt")
        mixed = {name: before + self.weight * (trained[name] - before) for name, before in params.items()}
        return {name: trained[name] if name.endswith(".A") else value for name, value in mixed.items()}
