"""Own or shared: the client takes its own model, if that is better for it than the one that all share.

The choice that Mansour, Mohri, Ro, Suresh: Three Approaches for Personalization with Applications to Federated
Learning. 2020. https://arxiv.org/abs/2002.10619 (section 5) interpolate between, at its two ends.

Differs from the paper: nothing between the two models; validation data decide, not training data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headstart.adapt.protocol import Adapt
from headstart.training import ClientData, Model, Params, Trainable


@dataclass(frozen=True, kw_only=True)
class OwnOrShared(Adapt):
    """Begin with the model of its own that a federated method left the client, and change nothing.

    Attributes:
        accept: keep the own model only if it is better on the client's validation data.
    """

    accept: bool = True

    trainable: ClassVar[Trainable] = "head"
    takes_own: ClassVar[bool] = True

    def __call__(self, model: Model, params: Params, data: ClientData) -> Params:
        """Return ``params``: the engine hands over the client's own."""
        return params
