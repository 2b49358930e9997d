"""Fine-tuning with gradients: of the head, of everything, of the last blocks.

Kumar, Raghunathan, Jones, Ma, Liang: Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution.
ICLR 2022. https://arxiv.org/abs/2202.10054 (sections 2 and 3: linear probing, full fine-tuning).

Differs from the paper: normalisation statistics stay frozen; the client may refuse the result on its validation data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Protocol

from pydantic import PositiveInt

from headstart.adapt.protocol import Adapt
from headstart.training import ClientData, LocalTraining, Model, Params, Scale, Trainable


class Depth(Protocol):
    """Says where the model is cut; what lies above trains."""

    @property
    def trainable(self) -> Trainable:
        """Where the model is cut."""
        ...


@dataclass(frozen=True, kw_only=True)
class Head:
    """The head trains, on frozen features."""

    trainable: ClassVar[Trainable] = "head"


@dataclass(frozen=True, kw_only=True)
class Everything:
    """All parameters train."""

    trainable: ClassVar[Trainable] = "all"


@dataclass(frozen=True, kw_only=True)
class LastBlocks:
    """The last ``k`` blocks and the head train.

    Attributes:
        k: number of blocks, from the head down.
    """

    k: PositiveInt = 1

    @property
    def trainable(self) -> Trainable:
        """The last ``k`` blocks."""
        return self.k


@dataclass(frozen=True, kw_only=True)
class Finetune(Adapt):
    """Train on the client's own data.

    Attributes:
        depth: what trains.
        epochs: passes over the client's training data.
        local: how steps are taken.
        accept: keep the result only if it is better on the client's validation data.
    """

    depth: Depth = Head()
    epochs: Annotated[PositiveInt, Scale(4)] = 5
    local: LocalTraining = LocalTraining()
    accept: bool = True

    @property
    def trainable(self) -> Trainable:
        """What lies above the cut."""
        return self.depth.trainable

    def __call__(self, model: Model, params: Params, data: ClientData) -> Params:
        """Train it."""
        return self.local.fit(model, params, data, self.epochs, stream="adapt")
