"""Personal ridge: a closed-form head pulled towards the one received.

The objective of Cheng, Chadha, Duchi: Federated Asymptotics: a model to compare federated learning algorithms. 2021.
https://arxiv.org/abs/2108.07313 (ridge-tuned federated averaging, RTFA), for squared loss on frozen features.

Differs from the paper: solved exactly; each client chooses its own penalty by leave-one-out error on its training data;
a head received on another scale than one-hot labels, such as one of softmax, is brought to theirs first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from pydantic import PositiveFloat

from headstart.adapt.protocol import Adapt
from headstart.training import (
    NO_LEAST_SQUARES,
    ClientData,
    Model,
    Params,
    TaskKind,
    Tensor,
    Trainable,
    head_of,
    regressand,
    ridge_correction,
    with_intercept,
)

PENALTIES = tuple(10.0**power for power in range(-3, 7))
"""Candidates: the smallest is close to a local head, the largest to the head received."""

_OTHER_SCALE = 0.8
"""Share of the head's squared error that is left when it is rescaled, below which it was on another scale."""


@dataclass(frozen=True, kw_only=True)
class PersonalRidge(Adapt):
    """``W_i = argmin ||Z W - Y||² + penalty ||W - W_received||²``, with ``Z = [features, 1]``.

    Attributes:
        penalty: None to choose by leave-one-out, per client.
        accept: keep the result only if it is better on the client's validation data.
    """

    penalty: PositiveFloat | None = None
    accept: bool = True

    trainable: ClassVar[Trainable] = "head"
    not_for: ClassVar[Mapping[TaskKind, str]] = NO_LEAST_SQUARES

    def __call__(self, model: Model, params: Params, data: ClientData) -> Params:
        """Solve for the personal head."""
        batch = data.everything(model)
        design, targets = with_intercept(batch), regressand(model, batch)
        received = _coefficients(params)
        if model.network.loss.is_softmax:
            received = on_scale(received, design, targets)
        candidates = design.new_tensor(PENALTIES if self.penalty is None else [self.penalty])
        head = received + ridge_correction(design, targets - design @ received, candidates)
        return {**params, **head_of(head, params)}


def _coefficients(params: Params) -> Tensor:
    """Return the head received as a matrix on ``[features, 1]``, float64; shape ``(…, features + 1, classes)``."""
    return torch.cat([params["head.weight"].mT, params["head.bias"].unsqueeze(-2)], dim=-2).double()


def on_scale(received: Tensor, design: Tensor, targets: Tensor) -> Tensor:
    """Return a head whose scores are comparable with one-hot labels: the one received, if its scores are.

    Scores of softmax matter up to a shift per example and say nothing in units of labels. Centred over the classes,
    they are fitted to the labels with one factor, ``1 / classes + a F``, by least squares on the client's examples.

    Args:
        received: ``W``, ``(…, features + 1, classes)``.
        design: ``Z``, ``(…, examples, features + 1)``, padding all 0.
        targets: ``Y``, ``(…, examples, classes)``, padding all 0.
    """
    classes, count = targets.shape[-1], targets.sum((-1, -2))
    centred = received - received.mean(-1, keepdim=True)
    scores = design @ centred
    product, square = (scores * targets).sum((-1, -2)), scores.square().sum((-1, -2))
    factor = (product / square.clamp_min(1e-300)).clamp_min(0)
    rescaled = centred * factor[..., None, None]
    rescaled[..., -1, :] += 1 / classes
    error = count * (1 - 1 / classes) - factor * product
    is_other = error < _OTHER_SCALE * (targets - design @ received).square().sum((-1, -2))
    return rescaled.where(is_other[..., None, None], received)
