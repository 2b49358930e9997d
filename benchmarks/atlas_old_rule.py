"""The rule that predicted before the gains did: a gap in validation accuracy counts where it is above the noise.

Three ridge heads on the training examples, their penalties by leave-one-out: pooled, each client's own, and each
client's pulled towards the pooled one. Restated from what the product once had, so that the new prediction can be
compared with it: all rules that name a family, in their order.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headstart.core.arrays import Array
from headstart.evidence.sides import Family

Part = tuple[Array, Array]
PENALTIES = np.logspace(-4, 2, 13)
"""Relative to features of mean squared length one."""


def old_rule(train: Sequence[Part], val: Sequence[Part], num_classes: int) -> Family:
    """Return the family of the arm that the rule named first.

    Args:
        train: features ``(n, d)`` and labels ``(n,)`` of every client.
        val: likewise.
        num_classes: of the federation.
    """
    pool = np.concatenate([features for features, _ in train]).astype(float)
    labels = np.concatenate([labels for _, labels in train])
    mean, length = pool.mean(axis=0), np.sqrt(pool.var(axis=0).sum()) or 1.0
    pooled, right = _fit((pool - mean) / length, labels, num_classes)
    counts = np.bincount(labels, minlength=num_classes)
    majority = counts.max() / counts.sum()
    if len(labels) < 5 * (counts > 0).sum():
        return "federate"
    if right <= majority + 2 * np.sqrt(majority * (1 - majority) / len(labels)):
        return "both"
    return _by_gaps(
        [
            _accuracies(((own[0] - mean) / length, own[1]), ((held[0] - mean) / length, held[1]), pooled, num_classes)
            for own, held in zip(train, val, strict=True)
            if len(own[1]) and len(held[1])
        ]
    )


def _by_gaps(accuracies: Sequence[tuple[float, ...]]) -> Family:
    """Decide by validation accuracies of pooled, own and pulled heads, a row for each client."""
    if not accuracies:
        return "both"
    pooled, local, personal = np.array(accuracies).T
    if not _above_noise((personal if personal.mean() > pooled.mean() else pooled) - local):
        return "fine-tune"
    return "both" if _above_noise(personal - pooled) else "federate"


def _above_noise(differences: Array) -> bool:
    return bool(differences.mean() > differences.std(ddof=1) / np.sqrt(len(differences)))


def _accuracies(own: Part, held: Part, pooled: Array, num_classes: int) -> tuple[float, ...]:
    heads = (pooled, _fit(*own, num_classes)[0], _fit(*own, num_classes, pooled)[0])
    said = [(_with_one(held[0]) @ head).argmax(axis=1) for head in heads]
    return tuple(float((one == held[1]).mean()) for one in said)


def _fit(features: Array, labels: Array, num_classes: int, towards: Array | None = None) -> tuple[Array, float]:
    """Return a head ``(d + 1, classes)`` and its leave-one-out accuracy, at the penalty of least such error."""
    rows, targets = _with_one(features), np.eye(num_classes)[labels]
    start = np.zeros((rows.shape[1], num_classes)) if towards is None else towards
    rest = targets - rows @ start
    left, singular, right = np.linalg.svd(rows, full_matrices=False)
    kept = singular**2 > 1e-10 * max(singular[0] ** 2, 1e-300)
    left, values, right = left[:, kept], singular[kept] ** 2, right[kept]
    inside, best = left.T @ rest, (np.inf, 0.0, 0.0)
    for penalty in PENALTIES if towards is None else (*PENALTIES, np.inf):
        shrink = values / (values + penalty)
        leverage = np.minimum(left**2 @ shrink, 1 - 1e-9)
        residual = (rest - left @ (shrink[:, None] * inside)) / (1 - leverage)[:, None]
        accuracy = float(((targets - residual).argmax(axis=1) == labels).mean())
        best = min(best, (float((residual**2).sum()), float(penalty), accuracy))
    scale = np.sqrt(values) / (values + best[1])
    return start + right.T @ (scale[:, None] * inside), best[2]


def _with_one(features: Array) -> Array:
    return np.column_stack([features, np.ones(len(features))])
