"""Gaussians instead of features (FedPFT).

Beitollahi, Bie, Hemati, Brunswic, Li, Chen, Zhang: Parametric Feature Transfer: One-shot Federated Learning with
Foundation Models. 2024. https://arxiv.org/abs/2402.01862 (algorithm 1).

Differs from the paper: one Gaussian for each class of a client, with a diagonal or a spherical covariance, which needs
no iterations; the server draws anew in each pass over what it draws; a class of which a client has one example takes
the mean variance of the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import PositiveInt

from headstart.federate.closed_form import FeatureSums, OneShotHead
from headstart.training import (
    CLASSES_ONLY,
    ClientData,
    Gaussians,
    LocalTraining,
    Model,
    Scale,
    TaskKind,
    Tree,
    class_means,
    class_sums,
    one_hot,
)


@dataclass(frozen=True, kw_only=True)
class ParametricTransfer(OneShotHead):
    """Clients send a Gaussian for each of their classes; the server trains a head on features drawn from them.

    Attributes:
        epochs: passes of the server over as many draws as the clients have examples.
        covariance: ``diagonal``, a variance for each feature; or ``spherical``, one for all.
        local: how the server takes its steps.
    """

    epochs: Annotated[PositiveInt, Scale(4)] = 10
    covariance: Literal["diagonal", "spherical"] = "diagonal"
    local: LocalTraining = LocalTraining()

    reduce: ClassVar[Literal["each"]] = "each"
    not_for: ClassVar[Mapping[TaskKind, str]] = CLASSES_ONLY

    def __post_init__(self) -> None:
        """Refuse what does nothing to draws."""
        options = ("example_clip", "example_noise", "epsilon", "balance", "lr_schedule", "warmup", "augment")
        self.local.refuse(options, "does nothing where a server trains on draws")

    def client_update(self, model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        """Send sums, sums of squares and counts per class: they say each class's mean and variance."""
        batch = data.everything(model)
        targets = one_hot(batch, model.network.num_classes)
        squares = targets.mT @ batch.inputs.double().square()
        if self.covariance == "spherical":
            squares = squares.sum(-1, keepdim=True)
        return {**class_sums(batch, model.network.num_classes), "squares": squares}, private

    def feature_sums(self, update: Tree) -> FeatureSums:
        """Squares alone are no second moments."""
        return FeatureSums(update["sums"].mT, update["counts"], None, has_ones=False)

    def server_update(
        self, model: Model, shared: Tree, state: Tree, update: Tree, share: float = 1.0
    ) -> tuple[Tree, Tree]:
        """Train the head on draws."""
        return self.local.fit(model, shared, gaussians(update), self.epochs), state


def gaussians(update: Tree) -> Gaussians:
    """Return a Gaussian for each class that a client has, of all clients.

    Args:
        update: ``sums`` ``(clients, classes, features)``, ``counts`` ``(clients, classes)``, and ``squares`` as
            ``sums``, or ``(clients, classes, 1)``, which are added up over the features.
    """
    counts = update["counts"]
    means = class_means(update["sums"], counts)
    number = update["sums"].shape[-1] // update["squares"].shape[-1]
    centres = means.square() if number == 1 else means.square().sum(-1, keepdim=True)
    each = counts.unsqueeze(-1)
    # Of n examples about their own mean n - 1 are free.
    scatter = (update["squares"] - each * centres).clamp_min(0) / number
    freedom = (each - 1).clamp_min(0)
    shared = scatter.sum((0, 1)) / freedom.sum((0, 1)).clamp_min(1)
    variances = torch.where(freedom > 0, scatter / freedom.clamp_min(1), shared)
    client, label = torch.nonzero(counts > 0.5, as_tuple=True)
    return Gaussians(means[client, label], variances[client, label].sqrt(), label, counts[client, label])
