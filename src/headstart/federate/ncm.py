"""Federated nearest class mean (FedNCM).

Legate, Bernier, Caccia, Oyallon, Belilovsky: Guiding The Last Layer in Federated Learning with Pre-Trained Models.
NeurIPS 2023. https://arxiv.org/abs/2306.03937 (Algorithm 1).

Differs from the paper: nothing; the fine-tuning that follows there is a federated stage of its own here, for which a
temperature may bring the scores to another scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from pydantic import PositiveFloat

from headstart.federate.closed_form import FeatureSums, OneShotHead
from headstart.training import (
    CLASSES_ONLY,
    ClientData,
    Model,
    TaskKind,
    Tensor,
    Tree,
    as_head,
    class_means,
    class_sums,
)


@dataclass(frozen=True, kw_only=True)
class NearestClassMean(OneShotHead):
    """Clients send class sums and counts; each class's weights are its mean feature, of unit norm.

    Attributes:
        temperature: by which scores are divided, where stages that train with gradients follow.
    """

    temperature: PositiveFloat = 1.0

    not_for: ClassVar[Mapping[TaskKind, str]] = CLASSES_ONLY

    def client_update(self, model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        """Send sums and counts per class."""
        return class_sums(data.everything(model), model.network.num_classes), private

    def feature_sums(self, update: Tree) -> FeatureSums:
        """No second moments are sent."""
        return FeatureSums(update["sums"].mT, update["counts"], None, has_ones=False)

    def server_update(
        self, model: Model, shared: Tree, state: Tree, update: Tree, share: float = 1.0
    ) -> tuple[Tree, Tree]:
        """Normalise the class means; a class that nobody has keeps zero weights."""
        return unit_head(class_means(update["sums"], update["counts"]), self.temperature, shared), state


def unit_head(weight: Tensor, temperature: float, like: Tree) -> Tree:
    """Return the head of each class's weights ``(classes, features)`` at unit norm, its scores divided by a number."""
    weight = weight / weight.norm(dim=-1, keepdim=True).clamp_min(1e-12) / temperature
    return as_head(weight, weight.new_zeros(len(weight)), like)
