"""Covariances from means (FedCOF).

Goswami, Magistri, Wang, Twardowski, Bagdanov, van de Weijer: Covariances for Free: Exploiting Mean Distributions for
Training-free Federated Learning. NeurIPS 2025. https://arxiv.org/abs/2412.14326 (equations 4, 6 and 7, algorithm 1).

Differs from the paper: ``gamma`` counts in mean variances of a feature, so that it follows their scale; a class that
one client alone holds, whose means say nothing of its spread, takes the spread of the others, where the paper's takes
none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import PositiveFloat

from headstart.federate.ncm import NearestClassMean, unit_head
from headstart.federate.protocol import Reduction
from headstart.training import Model, Scale, SettingError, Tensor, Tree, class_means


@dataclass(frozen=True, kw_only=True)
class CovarianceFromMeans(NearestClassMean):
    """Clients send class sums and counts; how far the means of clients lie apart says how a class spreads.

    Attributes:
        gamma: added to each class's covariance, times the identity, in mean variances of a feature.
    """

    gamma: Annotated[PositiveFloat, Scale(10)] = 1.0

    reduce: ClassVar[Reduction] = "each"

    def server_update(
        self, model: Model, shared: Tree, state: Tree, update: Tree, share: float = 1.0
    ) -> tuple[Tree, Tree]:
        """Return ``G^-1 N_c mu_c``, of unit norm, with ``G = sum_c (N_c - 1) (S_c + gamma I) + N mu mu'``."""
        sums, counts = update["sums"].sum(0), update["counts"].sum(0)
        within, mean = scatter_within(update["sums"], update["counts"]), sums.sum(0) / counts.sum()
        identity = torch.eye(len(within)).to(within)
        variance = within.trace() / len(within)
        gram = within + self.gamma * variance * identity + counts.sum() * torch.outer(mean, mean)
        return unit_head(torch.linalg.solve(gram, sums.mT).mT, self.temperature, shared), state


def scatter_within(sums: Tensor, counts: Tensor) -> Tensor:
    """Return ``sum_c (N_c - 1) S_c``, with ``S_c = sum_k n_kc (mu_kc - mu_c)(mu_kc - mu_c)' / (K_c - 1)``.

    ``S_c`` is unbiased where the clients' examples of a class are alike. A class that one client alone holds takes the
    mean of all others', ``sum_c (K_c - 1) S_c / sum_c (K_c - 1)``.

    Args:
        sums: of each client's features by class, ``(clients, classes, features)``.
        counts: of its examples, ``(clients, classes)``.

    Raises:
        SettingError: no class is held by two clients.
    """
    freedom, rest = ((counts > 0).sum(0) - 1).clamp_min(0), (counts.sum(0) - 1).clamp_min(0)
    if not freedom.any():
        raise SettingError(
            "federate.method: 'fedcof' sees how classes spread from the means of clients, and needs a class that two "
            "of them hold, received none; take 'ncm', or 'lda' or 'ridge', whose clients send second moments"
        )
    means = class_means(sums.sum(0), counts.sum(0))
    apart = class_means(sums, counts) - means
    alone = (rest * (freedom == 0)).sum() / freedom.sum()
    weights = counts * (rest * (freedom > 0) / freedom.clamp_min(1) + alone)
    rows = (apart * weights.sqrt().unsqueeze(-1)).flatten(0, 1)
    return rows.mT @ rows
