"""Mixing: part of the way from the shared model to the client's own.

Deng, Kamani, Mahdavi: Adaptive Personalized Federated Learning. 2020. https://arxiv.org/abs/2003.13461 (a
personal model is a convex combination of the shared and a local one).

Differs from the paper: the local part is a low-rank adapter that is trained once, after the rounds, on top of the
shared model; the weight of the mixture is a setting, searched on validation data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from headstart.adapt.gradient import Depth, Finetune
from headstart.training import ClientData, Lora, Model, Params, Scale


@dataclass(frozen=True, kw_only=True)
class LoraMix(Finetune):
    """Train a low-rank adapter and the head, and go ``weight`` of the way from the received weights to these.

    Attributes:
        weight: share of the client's own change, in (0, 1].
    """

    weight: Annotated[float, Field(gt=0, le=1), Scale(2, most=1)] = 0.5
    depth: Depth = Lora()

    def __call__(self, model: Model, params: Params, data: ClientData) -> Params:
        """Train, then mix: the adapter by its B, which began at zero, the head by its numbers."""
        trained = Finetune.__call__(self, model, params, data)
        mixed = {name: before + self.weight * (trained[name] - before) for name, before in params.items()}
        return {name: trained[name] if name.endswith(".A") else value for name, value in mixed.items()}
