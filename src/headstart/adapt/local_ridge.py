"""Local ridge: a closed-form head from the client's own examples alone.

Hoerl, Kennard: Ridge Regression: Biased Estimation for Nonorthogonal Problems. Technometrics 1970.
https://doi.org/10.1080/00401706.1970.10488634, on one-hot labels and frozen features: what each client of federated
ridge regression (Fanì et al., ICML 2024, https://arxiv.org/abs/2406.01116) could do without the others.

Differs from the paper: each client chooses its penalty by leave-one-out error, exact for any number of examples, among
multiples of its features' mean square.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from pydantic import PositiveFloat

from headstart.adapt.protocol import Adapt
from headstart.training import (
    NO_LEAST_SQUARES,
    ClientData,
    Model,
    Params,
    TaskKind,
    Trainable,
    head_of,
    present,
    regressand,
    relative_penalties,
    ridge_correction,
    trees,
    with_intercept,
)


@dataclass(frozen=True, kw_only=True)
class LocalRidge(Adapt):
    """``W_i = argmin ||Z W - Y||² + penalty ||W||²``, with ``Z = [features, 1]``; the head received is forgotten.

    Attributes:
        penalty: None to choose by leave-one-out, per client.
        accept: keep the result only if it is better on the client's validation data.
    """

    penalty: PositiveFloat | None = None
    accept: bool = True

    trainable: ClassVar[Trainable] = "head"
    not_for: ClassVar[Mapping[TaskKind, str]] = NO_LEAST_SQUARES

    def __call__(self, model: Model, params: Params, data: ClientData) -> Params:
        """Solve for the client's own head; without examples it is the one received."""
        batch = data.everything(model)
        design, targets = with_intercept(batch), regressand(model, batch)
        if self.penalty is None:
            candidates = relative_penalties(design.square().sum((-1, -2)), design.shape[-1])
        else:
            candidates = design.new_tensor([self.penalty])
        head = ridge_correction(design, targets, candidates)
        own = {**params, **head_of(head, params)}
        return trees.where(present(batch).sum((-1, -2)) > 0, own, params)
