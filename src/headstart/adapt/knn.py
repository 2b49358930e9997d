"""kNN-Per: the received model and the client's own nearest examples vote together.

Marfoq, Neglia, Kameni, Vidal: Personalized Federated Learning through Local Memorization. ICML 2022.
https://arxiv.org/abs/2111.09360.

Differs from the paper: the distance in the kernel is squared, averaged over the features and scaled; every example as
near as the ``k``-th votes; a client tries five weights, and the received model alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import torch
from pydantic import Field, PositiveFloat, PositiveInt

from headstart.adapt.protocol import Remembers
from headstart.training import (
    CLASSES_ONLY,
    ClientData,
    Model,
    Params,
    Scale,
    TaskKind,
    Tensor,
    Trainable,
    Tree,
    one_hot,
)

WEIGHTS = (0.5, 0.1, 0.3, 0.7, 0.9)
"""Candidates; a client without validation data takes the first."""


@dataclass(frozen=True, kw_only=True)
class Knn(Remembers):
    """Mix the received model's probabilities with a vote of the client's nearest training examples; nothing trains.

    Attributes:
        k: number of neighbours.
        weight: share of the vote, from 0 (the received model) to 1; None to choose on validation data, per client.
        scale: width of the kernel; 1 weighs a neighbour by ``exp(-d²)``, with ``d²`` averaged over the features.
        accept: keep the mixture only if it is better on the client's validation data.
    """

    k: Annotated[PositiveInt, Scale(4)] = 10
    weight: Annotated[float, Field(ge=0, le=1)] | None = None
    scale: Annotated[PositiveFloat, Scale(10)] = 1.0
    accept: bool = True

    trainable: ClassVar[Trainable] = "head"
    not_for: ClassVar[Mapping[TaskKind, str]] = CLASSES_ONLY

    @property
    def options(self) -> Sequence[Knn]:
        """One method per candidate weight."""
        return [self] if self.weight is not None else [replace(self, weight=weight) for weight in WEIGHTS]

    def __call__(self, model: Model, params: Params, data: ClientData) -> Params:
        """Return ``params``."""
        return params

    def memory(self, model: Model, data: ClientData) -> Tree:
        """Keep the features and the labels as rows of 0 and 1; a row of zeros is padding."""
        batch = data.everything(model)
        return {"features": batch.inputs, "labels": one_hot(batch, model.network.num_classes).float()}

    def probabilities(self, model: Model, params: Params, memory: Tree, inputs: Tensor) -> Tensor:
        """Mix; a client that remembers nothing has the received model."""
        received = model.logits(params, inputs).double().softmax(-1)
        features, spread = memory["features"].to(params["head.weight"].dtype), self.scale * inputs.shape[-1]
        votes = neighbour_votes(inputs.to(features.dtype), features, memory["labels"], self.k, spread)
        total = votes.sum(-1, keepdim=True)
        share = (WEIGHTS[0] if self.weight is None else self.weight) * (total > 0)
        # The nearest example counts 1.
        return share * votes / total.clamp_min(1) + (1 - share) * received


def neighbour_votes(queries: Tensor, features: Tensor, labels: Tensor, k: int, spread: float) -> Tensor:
    """Return the kernel weights of the nearest examples by class, the nearest example's 1; ``(…, queries, classes)``.

    Args:
        queries: ``(…, queries, features)``.
        features: of the examples that vote, ``(…, examples, features)``.
        labels: rows of 0 and 1, all 0 for padding; ``(…, examples, classes)``.
        k: how many vote; more where several are as near as the last.
        spread: an example votes with ``exp(-d² / spread)``.

    >>> features, labels = torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    >>> neighbour_votes(torch.tensor([[0.0]]), features, labels, k=2, spread=1.0)
    tensor([[1.0000, 0.3679]], dtype=torch.float64)
    """
    # Without matrix products a distance is the same number alone and in a stack: no neighbour changes places.
    distances = torch.cdist(queries, features, compute_mode="donot_use_mm_for_euclid_dist").square()
    distances = distances.masked_fill(labels.sum(-1).unsqueeze(-2) == 0, torch.inf)
    # Clients may have fewer than k examples, or none.
    enough = torch.nn.functional.pad(distances, (0, k), value=torch.inf)
    farthest, nearest = enough.kthvalue(k, keepdim=True).values, enough.amin(-1, keepdim=True)
    closeness = torch.exp((nearest.clamp_max(torch.finfo(distances.dtype).max) - distances) / spread)
    return (closeness * (distances <= farthest)).double() @ labels.double()
