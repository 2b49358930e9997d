"""Fine-tuning with gradients: of the head, of everything, of the last blocks.

Kumar, Raghunathan, Jones, Ma, Liang: Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution.
ICLR 2022. https://arxiv.org/abs/2202.10054 (sections 2 and 3: linear probing, full fine-tuning).

Differs from the paper: normalisation statistics stay frozen; the client may refuse the result on its validation data.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import PositiveInt

from headstart.core.registry import Scale
from headstart.core.trees import Params
from headstart.models.model import Model, Trainable
from headstart.training.client_data import ClientData
from headstart.training.local import LocalTraining


@dataclass(frozen=True, kw_only=True)
class LinearProbe:
    """Train the head on frozen features.

    Attributes:
        epochs: passes over the client's training data.
        local: how steps are taken.
        accept: keep the result only if it is better on the client's validation data.
    """

    epochs: PositiveInt = field(default=10, metadata={"search": Scale(4)})
    local: LocalTraining = LocalTraining()
    accept: bool = True
    changes_nothing: ClassVar[bool] = False

    trainable: ClassVar[Trainable] = "head"

    def __call__(self, model: Model, params: Params, data: ClientData) -> Params:
        """Train the head."""
        return self.local.fit(model, params, data, self.epochs, stream="adapt")


@dataclass(frozen=True, kw_only=True)
class FullFinetune:
    """Train all parameters. Attributes as :class:`LinearProbe`."""

    epochs: PositiveInt = field(default=5, metadata={"search": Scale(4)})
    local: LocalTraining = LocalTraining()
    accept: bool = True
    changes_nothing: ClassVar[bool] = False

    trainable: ClassVar[Trainable] = "all"

    def __call__(self, model: Model, params: Params, data: ClientData) -> Params:
        """Train everything."""
        return self.local.fit(model, params, data, self.epochs, stream="adapt")


@dataclass(frozen=True, kw_only=True)
class LastBlocks:
    """Train the last ``k`` blocks and the head. Other attributes as :class:`LinearProbe`."""

    k: PositiveInt = 1
    epochs: PositiveInt = field(default=5, metadata={"search": Scale(4)})
    local: LocalTraining = LocalTraining()
    accept: bool = True
    changes_nothing: ClassVar[bool] = False

    @property
    def trainable(self) -> Trainable:
        """The last ``k`` blocks."""
        return self.k

    def __call__(self, model: Model, params: Params, data: ClientData) -> Params:
        """Train what lies above the cut."""
        return self.local.fit(model, params, data, self.epochs, stream="adapt")
