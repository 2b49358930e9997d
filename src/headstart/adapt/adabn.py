"""AdaBN: BatchNorm with the client's own statistics, from inputs without labels.

Li, Wang, Shi, Liu, Hou: Revisiting Batch Normalization For Practical Domain Adaptation. ICLR workshop 2017.
https://arxiv.org/abs/1603.04779 (Algorithm 1). Small clients: Schneider, Rusak, Eck, Bringmann, Brendel, Bethge:
Improving Robustness against Common Corruptions by Covariate Shift Adaptation. NeurIPS 2020. https://arxiv.org/abs/2006.16971
(equation 3).

Differs from the paper: statistics that a layer comes with count for ``source_weight`` examples (0 in AdaBN); beyond
``batch_size`` examples, layers read what those below make of a batch with the batch's statistics; statistics are
written into scales and shifts, which computes the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import NonNegativeFloat, PositiveInt

from headstart.adapt.protocol import Adapt
from headstart.training import (
    ClientData,
    Model,
    Params,
    Passes,
    Scale,
    SettingError,
    Trainable,
    batch_norms,
    with_own_statistics,
)


@dataclass(frozen=True, kw_only=True)
class AdaBN(Adapt):
    """Every BatchNorm normalises by the mean and the variance of the client's own training inputs.

    Attributes:
        source_weight: examples for which the statistics received count.
        batch_size: examples that are looked at together.
        accept: keep the result only if it is better on the client's validation data.
    """

    source_weight: Annotated[NonNegativeFloat, Scale(4)] = 16.0
    batch_size: PositiveInt = 256
    accept: bool = True

    trainable: ClassVar[Trainable] = "all"
    needs_norms: ClassVar[bool] = True

    def __call__(self, model: Model, params: Params, data: ClientData) -> Params:
        """Return what was received, normalised anew.

        Raises:
            SettingError: the network has no BatchNorm.
        """
        if not batch_norms(model):
            raise SettingError(
                "adapt: 'adabn' needs a network with BatchNorm, received one without (networks from random weights "
                "have GroupNorm); take a checkpoint that has, such as a MobileNet or a ResNet, or another adaptation"
            )
        batches = data.batches(model, Passes(batch_size=self.batch_size, stream="statistics"))
        return with_own_statistics(model, params, batches, self.source_weight)
