"""Federated linear discriminant analysis (FedCGS).

Guan, Zhou, Gu: Capture Global Feature Statistics for One-Shot Federated Learning. AAAI 2025.
https://arxiv.org/abs/2503.06962.

Differs from the paper: the covariance is the one within classes, as in scikit-learn's LinearDiscriminantAnalysis, with
shrinkage towards a multiple of the identity; the paper's is the total covariance. Scores may have a temperature.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field, PositiveFloat

from headstart.federate.closed_form import FeatureSums, OneShotHead, pack_symmetric, unpack_symmetric
from headstart.training import (
    CLASSES_ONLY,
    ClientData,
    Model,
    Scale,
    TaskKind,
    Tensor,
    Tree,
    as_head,
    class_means,
    class_sums,
    discriminant,
    present,
)


@dataclass(frozen=True, kw_only=True)
class LinearDiscriminant(OneShotHead):
    """Clients send second moments, class sums and counts; the server solves the Gaussian classifier.

    Attributes:
        shrinkage: share of the covariance replaced by its mean variance times the identity, in [0, 1].
        temperature: by which scores are divided: above 1 where stages that train with gradients follow, for scores of
            few examples are too sure of themselves, and softmax has no slope there.
    """

    shrinkage: Annotated[float, Field(ge=0, le=1), Scale(10, most=1)] = 0.05
    temperature: PositiveFloat = 1.0

    not_for: ClassVar[Mapping[TaskKind, str]] = CLASSES_ONLY

    def client_update(self, model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        """Send second moments, class sums and counts."""
        batch = data.everything(model)
        features = batch.inputs.double() * present(batch)
        sums = class_sums(batch, model.network.num_classes)
        return {"second_moment": pack_symmetric(features.mT @ features), **sums}, private

    def feature_sums(self, update: Tree) -> FeatureSums:
        """Features are as they are."""
        second = unpack_symmetric(update["second_moment"], update["sums"].shape[-1])
        return FeatureSums(update["sums"].mT, update["counts"], second, has_ones=False)

    def server_update(
        self, model: Model, shared: Tree, state: Tree, update: Tree, share: float = 1.0
    ) -> tuple[Tree, Tree]:
        """Return weights ``S^-1 mu_c`` and biases ``-mu_c' S^-1 mu_c / 2 + log prior_c``."""
        counts, sums = update["counts"], update["sums"]
        means = class_means(sums, counts)
        second_moment = unpack_symmetric(update["second_moment"], sums.shape[-1])
        within = (second_moment - sums.mT @ means) / counts.sum()
        # Of the drivers that bear a singular covariance, the default one differs from call to call in the last bits;
        # a card has none that does.
        covariance, right = shrink(within, self.shrinkage).cpu(), means.mT.cpu()
        weight = torch.linalg.lstsq(covariance, right, driver="gelsd").solution.mT.to(means.device)
        weight, bias = discriminant(weight, means, counts)
        return as_head(weight / self.temperature, bias / self.temperature, shared), state


def shrink(covariance: Tensor, share: float) -> Tensor:
    """Return ``(1 - share) S + share (trace S / d) I``."""
    size = len(covariance)
    identity = torch.eye(size).to(covariance)
    return (1 - share) * covariance + share * (covariance.trace() / size) * identity
