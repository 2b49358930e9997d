"""The ceiling on what federation can add: a head learned from all clients against heads learned alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from headstart.core.arrays import Array
from headstart.diagnosis.ridge import Ridge, fit_ridge, scale, scale_of

Part = tuple[Array, Array]


@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """Mean validation accuracies over clients, all ridge heads on the same frozen features, in [0, 1].

    Attributes:
        pooled: one head on everyone's training examples.
        local: each client's head on its own.
        personal: each client's head pulled towards the pooled one, its strength by leave-one-out.
        gap: pooled minus local.
        noise: standard error over clients of the gap; NaN for one client.
        sharing: the better of pooled and personal, minus local.
        sharing_noise: its standard error over clients.
        personalization: personal minus pooled.
        personalization_noise: its standard error over clients.
    """

    pooled: float
    local: float
    personal: float
    gap: float
    noise: float
    sharing: float
    sharing_noise: float
    personalization: float
    personalization_noise: float


UNMEASURED = Ceiling(**{field.name: float("nan") for field in fields(Ceiling)})
"""Of a federation in which no client has validation examples."""


def measure_ceiling(train: Sequence[Part], val: Sequence[Part], num_classes: int) -> tuple[Ceiling, Ridge]:
    """Measure what a shared head adds to heads trained alone.

    If pooling all the examples gains less than the noise, no federation can (FLamby: pooled is within .01 to
    .06 of local wherever local beats FedAvg).

    Args:
        train: per client features ``(n, d)`` and labels ``(n,)``; may be empty.
        val: likewise, at least one client's not empty for a number that is not NaN.
        num_classes: number of classes.

    Returns:
        The ceiling, and the pooled head with its leave-one-out accuracy.
    """
    mean, length = scale_of(np.concatenate([features for features, _ in train]))
    train = [(scale(features, mean, length), labels) for features, labels in train]
    val = [(scale(features, mean, length), labels) for features, labels in val]
    pooled = fit_ridge(np.concatenate([f for f, _ in train]), np.concatenate([y for _, y in train]), num_classes)
    clients = [
        _accuracies(own, held, pooled, num_classes)
        for own, held in zip(train, val, strict=True)
        if len(own[1]) and len(held[1])
    ]
    return _summarize(np.array(clients).reshape(-1, 3)), pooled


def _accuracies(train: Part, val: Part, pooled: Ridge, num_classes: int) -> tuple[float, float, float]:
    """One client's validation accuracies: pooled, local, personal."""
    local = fit_ridge(*train, num_classes)
    personal = fit_ridge(*train, num_classes, towards=pooled.weights)
    features, labels = val
    shares = [float((head.predict(features) == labels).mean()) for head in (pooled, local, personal)]
    return shares[0], shares[1], shares[2]


def _summarize(accuracies: Array) -> Ceiling:
    if not len(accuracies):
        return UNMEASURED
    pooled, local, personal = accuracies.T
    shared = personal if personal.mean() > pooled.mean() else pooled
    gap, noise = _paired(pooled - local)
    sharing, sharing_noise = _paired(shared - local)
    personalization, personalization_noise = _paired(personal - pooled)
    return Ceiling(
        pooled=float(pooled.mean()),
        local=float(local.mean()),
        personal=float(personal.mean()),
        gap=gap,
        noise=noise,
        sharing=sharing,
        sharing_noise=sharing_noise,
        personalization=personalization,
        personalization_noise=personalization_noise,
    )


def _paired(differences: Array) -> tuple[float, float]:
    """Mean difference and its standard error over clients."""
    count = len(differences)
    error = float(differences.std(ddof=1) / np.sqrt(count)) if count > 1 else float("nan")
    return float(differences.mean()), error
