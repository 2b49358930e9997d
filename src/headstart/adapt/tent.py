"""Tent: surer predictions on the client's own inputs, without labels.

Wang, Shelhamer, Liu, Olshausen, Darrell: Tent: Fully Test-Time Adaptation by Entropy Minimization. ICLR 2021.
https://arxiv.org/abs/2006.10726 (section 3).

Differs from the paper: it adapts on the client's training inputs, not on those it is tested with; a BatchNorm's
statistics are those of all these inputs, mixed with the ones received and then fixed (see AdaBN), not each batch's;
layers of other normalisations train too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from headstart.adapt.protocol import Adapt
from headstart.training import (
    CLASSES_ONLY,
    Batch,
    ClientData,
    Entropy,
    LocalTraining,
    Model,
    Params,
    Passes,
    Scale,
    SettingError,
    TaskKind,
    Trainable,
    batch_norms,
    descend,
    norm_weights,
    trees,
    with_own_statistics,
)


@dataclass(frozen=True, kw_only=True)
class Tent(Adapt):
    """Scales and shifts of normalisation layers take steps of Adam down the entropy of predictions.

    Attributes:
        affine_lr: step size.
        epochs: passes over the client's training inputs.
        batch_size: examples per step.
        source_weight: examples for which a BatchNorm's statistics received count.
        accept: keep the result only if it is better on the client's validation data.
    """

    affine_lr: Annotated[PositiveFloat, Scale(10)] = 1e-3
    epochs: Annotated[PositiveInt, Scale(3)] = 1
    batch_size: PositiveInt = 32
    source_weight: Annotated[NonNegativeFloat, Scale(4)] = 16.0
    accept: bool = True

    trainable: ClassVar[Trainable] = "all"
    needs_norms: ClassVar[bool] = True
    not_for: ClassVar[Mapping[TaskKind, str]] = CLASSES_ONLY

    def __call__(self, model: Model, params: Params, data: ClientData) -> Params:
        """Take the client's statistics, then train scales and shifts.

        Raises:
            SettingError: the network has no normalisation layer.
        """
        names, unsure = norm_weights(model), model.trained_for(Entropy())
        if not names:
            raise SettingError(
                "adapt: 'tent' needs a network with normalisation layers, received one without; take another backbone "
                "or another adaptation"
            )
        if batch_norms(model):
            everything = data.batches(model, Passes(batch_size=256, stream="statistics"))
            params = with_own_statistics(model, params, everything, self.source_weight)

        def gradient(own: Params, batch: Batch) -> Params:
            return trees.select(unsure.gradient({**params, **own}, batch), names)

        optimizer = LocalTraining(client_lr=self.affine_lr, optimizer="adam").build()
        own = trees.select(params, names)
        batches = data.batches(model, Passes(batch_size=self.batch_size, epochs=self.epochs, stream="tent"))
        return {**params, **descend(gradient, own, optimizer.init(own), batches, optimizer)[0]}
