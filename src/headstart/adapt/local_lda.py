"""Local linear discriminant analysis: the Gaussian classifier of the client's own examples alone.

Fisher: The Use of Multiple Measurements in Taxonomic Problems. Annals of Eugenics 1936.
https://doi.org/10.1111/j.1469-1809.1936.tb02137.x, on frozen features: what each client of FedCGS (Guan, Zhou, Gu, AAAI
2025, https://arxiv.org/abs/2503.06962) could do without the others.

Differs from the paper: the covariance is shrunk towards a multiple of the identity, since clients often have fewer
examples than features; it is inverted through the examples, so that no matrix of features by features is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field

from headstart.adapt.protocol import Adapt
from headstart.training import (
    CLASSES_ONLY,
    ClientData,
    Model,
    Params,
    Scale,
    TaskKind,
    Tensor,
    Trainable,
    as_head,
    class_means,
    class_sums,
    discriminant,
    one_hot,
    present,
    trees,
)


@dataclass(frozen=True, kw_only=True)
class LocalDiscriminant(Adapt):
    """``S^-1 mu_c`` of the client's class means and covariance; classes that it lacks are never predicted.

    Attributes:
        shrinkage: share of the covariance replaced by its mean variance times the identity, in [0, 1].
        accept: keep the result only if it is better on the client's validation data.
    """

    shrinkage: Annotated[float, Field(ge=0, le=1), Scale(10, most=1)] = 0.05
    accept: bool = True

    trainable: ClassVar[Trainable] = "head"
    not_for: ClassVar[Mapping[TaskKind, str]] = CLASSES_ONLY

    def __call__(self, model: Model, params: Params, data: ClientData) -> Params:
        """Solve for the client's own head; without examples it is the one received."""
        batch = data.everything(model)
        classes = model.network.num_classes
        sums, counts = class_sums(batch, classes).values()
        means = class_means(sums, counts)
        rows = batch.inputs.double() * present(batch) - one_hot(batch, classes) @ means
        weight = solve_shrunk(rows, counts.sum(-1), self.shrinkage, means)
        own = {**params, **as_head(*discriminant(weight, means, counts), params)}
        return trees.where(counts.sum(-1) > 0, own, params)


def solve_shrunk(rows: Tensor, count: Tensor, share: float, means: Tensor) -> Tensor:
    """Return ``S^-1 mu_c``, ``S = (1 - share) R'R / n + share (trace R'R / n d) I``; ``(…, classes, features)``.

    Args:
        rows: ``R``, examples less their class's mean, padding all 0; ``(…, examples, features)``.
        count: ``n``, ``(…)``.
        share: of the covariance that is replaced; at 0 the inverse is the pseudo-inverse.
        means: ``mu_c``, ``(…, classes, features)``.
    """
    _, singular, right = torch.linalg.svd(rows, full_matrices=False)
    variances = singular**2 / count.clamp_min(1).unsqueeze(-1)
    total = variances.sum(-1, keepdim=True)
    floor = share * total / rows.shape[-1]
    inside = means @ right.mT
    within = _inverse((1 - share) * variances + floor, total)
    beside = _inverse(floor, total).unsqueeze(-1)
    weight: Tensor = (inside * within.unsqueeze(-2)) @ right + (means - inside @ right) * beside
    return weight


def _inverse(values: Tensor, total: Tensor) -> Tensor:
    """Return ``1 / values``, 0 where a value is nothing beside the total."""
    return torch.where(values > 1e-12 * total, 1 / values, 0.0)
