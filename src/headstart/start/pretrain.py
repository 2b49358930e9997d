"""Pre-training on the server's central pool, from random weights or from a checkpoint.

Nguyen, Wang, Malik, Sanjabi, Rabbat: Where to Begin? On the Impact of Pre-Training and Initialization in Federated
Learning. ICLR 2023. https://arxiv.org/abs/2206.15387.

Differs from the paper: the pool is the user's own; training stops early on the pool's validation part, and the step
size follows half a cosine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from pydantic import NonNegativeInt, PositiveInt

from headstart.start.course import mean_loss, train_until_stale
from headstart.start.protocol import Build, Central, Need, Start, silent
from headstart.training import (
    LocalTraining,
    Model,
    Network,
    Params,
    SettingError,
    StartError,
    Task,
    Tell,
    Trainable,
    cut_at,
    loss_of,
    new_head,
)


@dataclass(frozen=True, kw_only=True)
class Pretrain(Start):
    """Train on the central pool and keep the epoch of least validation loss.

    Attributes:
        origin: ``random`` weights, or the backbone's ``checkpoint``.
        epochs: passes over the pool at most.
        patience: epochs without improvement before stopping.
        trainable: where the model is cut while pre-training.
        local: how steps are taken.
        seed: pre-train once, with this seed, for all seeds of a study; None pre-trains anew for each.
    """

    origin: Literal["random", "checkpoint"] = "random"
    epochs: PositiveInt = 20
    patience: PositiveInt = 5
    trainable: Trainable = "all"
    local: LocalTraining = LocalTraining(client_lr=0.01, momentum=0.9, lr_schedule="cosine")
    seed: NonNegativeInt | None = None

    needs: ClassVar[tuple[Need, ...]] = ("labels",)

    @property
    def from_scratch(self) -> bool:
        """Whether the network is the variant for random weights."""
        return self.origin == "random"

    def __call__(
        self, build: Build, task: Task, central: Central | None, seed: int, tell: Tell = silent
    ) -> tuple[Network, Params]:
        """Return the pre-trained weights; the head is new where the pool has another task."""
        if central is None or central.task is None:
            raise SettingError(
                "start: 'pretrain' needs a labelled central pool, received none; add a [data.central] table"
            )
        network, weights = build(central.task, from_scratch=self.from_scratch)
        model, params = cut_at(network, weights, self.trainable)
        model = replace(model, replay=central.replay)
        course = train_until_stale(model, params, central, self.local, self.epochs, self.patience, tell)
        if not course.has_lowered_loss:
            raise StartError(self._why_not(model, params, course.last, central))
        trained = model.weights(course.best)
        return (
            (network, trained) if central.is_same else new_head(network, trained, task.num_outputs, seed, loss_of(task))
        )

    def _why_not(self, model: Model, first: Params, last: Params, central: Central) -> str:
        """Say why the validation loss did not fall: steps too large, too small, or too few examples."""
        before, after = (mean_loss(model, params, central.train) for params in (first, last))
        rule, losses = "pre-training must lower the pool's validation loss", f"training loss {before:.3g} before"
        losses, step = f"{losses}, {after:.3g} after", f"{self.local.client_lr:g}"
        examples = len(central.train.everything(model).labels)
        outputs, outputs_are = model.network.num_classes, "classes" if model.network.loss.is_softmax else "outputs"
        each = examples / outputs
        if after > before * (1 - _CHANGED) and _distance(first, last) < _MOVED:
            return (
                f"start.client_lr: {rule}, and {step} was too slow in {self.epochs} epochs ({losses}); give a larger "
                f"client_lr, or more epochs"
            )
        # Steps that are too large may also kill a network, whose loss is then that of one who knows nothing.
        if not after <= before * (1 + _CHANGED) or (after > before * (1 - _CHANGED) and each >= _ENOUGH):
            return (
                f"start.client_lr: {rule}, and with {step} it diverged or got stuck ({losses}); give a smaller "
                f"client_lr, or inputs of one scale (data.standardize)"
            )
        return (
            f"data.central: {rule}, and its {examples} examples for training were too few for {outputs} {outputs_are} "
            f"({each:.1f} for each; {losses}); give a larger pool, a smaller client_lr, or another start"
        )


_ENOUGH = 10
"""Examples per class from which a pool's size is not the first suspect."""

_CHANGED = 0.01
"""Share by which a training loss must change for its steps to have done anything."""

_MOVED = 0.01
"""Share of their length by which weights must move for steps not to be too small."""


def _distance(first: Params, last: Params) -> float:
    """Return how far weights have moved, as a share of their length."""
    moved = sum(float((last[name] - first[name]).double().square().sum()) for name in first)
    return math.sqrt(moved / sum(float(value.double().square().sum()) for value in first.values()))
