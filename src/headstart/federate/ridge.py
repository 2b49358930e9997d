"""Federated ridge regression on frozen features (Fed3R).

Fanì, Camoriano, Caputo, Ciccone: Accelerating Heterogeneous Federated Learning with Closed-form Classifiers. ICML 2024.
https://arxiv.org/abs/2406.01116.

Differs from the paper: sums travel in float64, so that the result equals pooled ridge regression for any partition; a
symmetric matrix travels as its upper triangle; the server chooses the penalty by generalised cross-validation, from the
same sums; dividing each class's weights by their norm is an option; so is, for the fine-tuning that may follow, a
temperature that follows from the sums too, where the paper's is 0.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from pydantic import PositiveFloat

from headstart.federate.closed_form import Begin, FeatureSums, OneShotHead, pack_symmetric, unpack_symmetric
from headstart.training import (
    NO_LEAST_SQUARES,
    Batch,
    ClientData,
    Model,
    Params,
    SettingError,
    TaskKind,
    Tensor,
    Tree,
    generalized_cross_validation,
    head_of,
    regressand,
    softmax_scale,
    with_intercept,
)


@dataclass(frozen=True, kw_only=True)
class Ridge(OneShotHead):
    """Clients send ``Z'Z`` and ``Z'Y``; the server solves ``(sum Z'Z + penalty I) W = sum Z'Y``, ``Z = [features, 1]``.

    Attributes:
        penalty: weight of the squared norm, times nothing: as scikit-learn's ``Ridge(alpha)`` on ``Z``; None to choose
            it by generalised cross-validation.
        normalize: divide each class's weights and bias by the norm of its weights.
        softmax: multiply all scores by one factor, with which their softmax tells probabilities: where stages that
            train with gradients follow. Of classes alone.
    """

    penalty: PositiveFloat | None = None
    normalize: bool = False
    softmax: bool = False

    not_for: ClassVar[Mapping[TaskKind, str]] = NO_LEAST_SQUARES

    def init(self, model: Model, params: Params) -> Begin:
        """Share the head that will be replaced."""
        if self.softmax and not model.network.loss.is_softmax:
            raise SettingError("federate.softmax: is for tasks of classes, received another; leave it out")
        return Begin(params, {}, {})

    def client_update(self, model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        """Send the two sums."""
        return ridge_sums(model, data.everything(model)), private

    def feature_sums(self, update: Tree) -> FeatureSums:
        """The last row of ``Z'Y`` counts the classes."""
        return ridge_feature_sums(update["gram"], update["moment"])

    def server_update(
        self, model: Model, shared: Tree, state: Tree, update: Tree, share: float = 1.0
    ) -> tuple[Tree, Tree]:
        """Solve for the head."""
        moment = update["moment"]
        gram = unpack_symmetric(update["gram"], len(moment))
        penalty = self.penalty or generalized_cross_validation(gram, moment, square=update.get("square"))
        solution = torch.linalg.solve(gram + penalty * torch.eye(len(moment)).to(gram), moment)
        if self.normalize:
            solution = solution / solution[:-1].norm(dim=0).clamp_min(1e-12)
        if self.softmax:
            solution = solution * softmax_scale(gram, moment, solution, penalty)
        return head_of(solution, shared), state


def ridge_feature_sums(gram: Tensor, moment: Tensor) -> FeatureSums:
    """Return what packed ``Z'Z`` and ``Z'Y`` say, where the last column of ``Z`` is 1."""
    return FeatureSums(moment, moment[-1], unpack_symmetric(gram, len(moment)), has_ones=True)


def ridge_sums(model: Model, batch: Batch) -> Tree:
    """Return ``gram``, the upper triangle of ``Z'Z``, and ``moment``, ``Z'Y``, of all examples in a batch.

    Where ``Y`` is not one-hot, ``square`` is the sum of its squares.
    """
    design, targets = with_intercept(batch), regressand(model, batch)
    sums = {"gram": pack_symmetric(design.mT @ design), "moment": design.mT @ targets}
    return sums if model.network.loss.is_softmax else {**sums, "square": targets.square().sum((-1, -2))}
