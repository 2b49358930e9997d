"""Personal ridge: a closed-form head pulled towards the one received.

The objective of Cheng, Chadha, Duchi: Federated Asymptotics: a model to compare federated learning algorithms. 2021.
https://arxiv.org/abs/2108.07313 (ridge-tuned federated averaging, RTFA), for squared loss on frozen features.

Differs from the paper: solved exactly; each client chooses its own penalty by leave-one-out error on its training data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from pydantic import PositiveFloat

from headstart.adapt.protocol import Adapt
from headstart.training import (
    Batch,
    ClientData,
    Model,
    Params,
    Tensor,
    Trainable,
    head_logits,
    one_hot,
    present,
    with_intercept,
)

PENALTIES = tuple(10.0**power for power in range(-3, 7))
"""Candidates: the smallest is close to a local head, the largest to the head received."""


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

    def __call__(self, model: Model, params: Params, data: ClientData) -> Params:
        """Solve for the personal head."""
        batch = data.everything(model)
        correction = ridge_correction(with_intercept(batch), _residual_of(params, batch), self.penalty)
        weight, bias = params["head.weight"], params["head.bias"]
        change = correction.to(weight.dtype)
        return {
            **params,
            "head.weight": weight + change[..., :-1, :].mT,
            "head.bias": bias + change[..., -1, :],
        }


def _residual_of(params: Params, batch: Batch) -> Tensor:
    """Return one-hot labels minus the received head's scores, padding all 0; shape ``(…, examples, classes)``."""
    scores = head_logits({name: value.double() for name, value in params.items()}, batch.inputs.double())
    return one_hot(batch, scores.shape[-1]) - scores * present(batch)


def ridge_correction(design: Tensor, residual: Tensor, penalty: float | None) -> Tensor:
    """Return what to add to the received head; shape ``(…, features + 1, classes)``.

    Args:
        design: ``Z``, ``(…, examples, features + 1)``.
        residual: ``Y - Z W_received``, ``(…, examples, classes)``.
        penalty: None for the candidate of least leave-one-out error, per client.
    """
    left, singular, right = torch.linalg.svd(design, full_matrices=False)
    projected = left.mT @ residual
    if penalty is None:
        chosen = leave_one_out_penalty(left, singular, projected, residual)
    else:
        chosen = singular.new_full(singular.shape[:-1], penalty)
    shrunk = singular / (singular**2 + chosen.unsqueeze(-1))
    correction: Tensor = right.mT @ (shrunk.unsqueeze(-1) * projected)
    return correction


def leave_one_out_penalty(left: Tensor, singular: Tensor, projected: Tensor, residual: Tensor) -> Tensor:
    """Return each client's candidate of least squared leave-one-out error; shape ``(…)``.

    The error without example ``j`` is ``(r_j - fit_j) / (1 - h_jj)`` with the hat matrix of the ridge smoother
    (Hastie, Tibshirani, Friedman: The Elements of Statistical Learning, equation 7.64).
    """
    errors = []
    for penalty in PENALTIES:
        smooth = singular**2 / (singular**2 + penalty)
        fitted = left @ (smooth.unsqueeze(-1) * projected)
        leverage = (left**2 @ smooth.unsqueeze(-1)).clamp_max(1 - 1e-9)
        errors.append((((residual - fitted) / (1 - leverage)) ** 2).sum((-1, -2)))
    best = torch.stack(errors).argmin(0)
    return torch.tensor(PENALTIES, dtype=singular.dtype)[best]
