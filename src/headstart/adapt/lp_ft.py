"""LP-FT: linear probing, then full fine-tuning.

Kumar, Raghunathan, Jones, Ma, Liang: Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution.
ICLR 2022. https://arxiv.org/abs/2202.10054 (section 3.4).

Differs from the paper: fixed numbers of epochs in both phases; the second phase's step size is ``client_lr`` times
``finetune_lr_factor``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from pydantic import PositiveFloat, PositiveInt

from headstart.adapt.protocol import Adapt
from headstart.training import ClientData, LocalTraining, Model, Params, Scale, Trainable


@dataclass(frozen=True, kw_only=True)
class LpFt(Adapt):
    """First the head on frozen features, then everything with a smaller step.

    Attributes:
        head_epochs: passes of the first phase.
        epochs: passes of the second phase.
        finetune_lr_factor: step size of the second phase relative to the first.
        local: how steps are taken; ``client_lr`` is the first phase's, ``augment`` the second's.
        accept: keep the result only if it is better on the client's validation data.
    """

    head_epochs: Annotated[PositiveInt, Scale(4)] = 10
    epochs: Annotated[PositiveInt, Scale(3)] = 3
    finetune_lr_factor: Annotated[PositiveFloat, Scale(10)] = 0.1
    local: LocalTraining = LocalTraining()
    accept: bool = True

    trainable: ClassVar[Trainable] = "all"

    def __call__(self, model: Model, params: Params, data: ClientData) -> Params:
        """Train the head, then everything."""
        probe, head = model.recut(params, "head")
        on_features = replace(self.local, augment="none")
        params = {**params, **on_features.fit(probe, head, data, self.head_epochs, stream="probe")}
        gentle = replace(self.local, client_lr=self.local.client_lr * self.finetune_lr_factor)
        return gentle.fit(model, params, data, self.epochs, stream="finetune")
