"""Keep: the client uses what it received.

The baseline of every personalisation study, e.g. Wu, Li, Charles, Xiao, Liu, Xu, Smith: Motley. 2022.
https://arxiv.org/abs/2206.09262.

Differs from the paper: nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headstart.adapt.protocol import Adapt
from headstart.training import ClientData, Model, Params, Trainable


@dataclass(frozen=True, kw_only=True)
class Keep(Adapt):
    """Return the parameters unchanged."""

    trainable: ClassVar[Trainable] = "head"
    accept: ClassVar[bool] = False
    changes_nothing: ClassVar[bool] = True

    def __call__(self, model: Model, params: Params, data: ClientData) -> Params:
        """Return ``params``."""
        return params
