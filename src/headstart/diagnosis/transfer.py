"""How well frozen features already separate the classes: k nearest neighbours and LogME."""

from __future__ import annotations

import numpy as np

from headstart.core import seeds
from headstart.core.arrays import Array


def knn_accuracy(
    features: Array,
    labels: Array,
    *,
    neighbours: int = 10,
    max_examples: int = 6000,
    seed: int = 0,
    chunk: int = 1024,
) -> float:
    """Leave-one-out accuracy of the k nearest neighbours by cosine similarity, majority vote.

    The single best predictor of a backbone's use in a comparison of 23 (Sorkhei et al. 2025). A tied vote
    goes to the class with the more similar neighbours. Work is quadratic: of more examples, a random part of
    ``max_examples`` is used.

    Args:
        features: ``(n, d)``.
        labels: ``(n,)`` int.
        neighbours: k; fewer where there are fewer examples.
        max_examples: largest number of examples compared.
        seed: of that part.
        chunk: examples whose similarities are in memory at once.

    Returns:
        In [0, 1]; NaN for fewer than two examples.

    >>> features = np.array([[1.0, 0.0], [2.0, 0.1], [0.0, 1.0], [0.1, 3.0]])
    >>> knn_accuracy(features, np.array([0, 0, 1, 1]), neighbours=1)
    1.0
    """
    if len(features) > max_examples:
        chosen = seeds.numpy_generator(seed, "diagnosis", "knn").choice(len(features), max_examples, replace=False)
        features, labels = features[chosen], labels[chosen]
    if len(features) < 2:
        return float("nan")
    unit = features.astype(np.float32)
    unit = unit / np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    neighbours = min(neighbours, len(unit) - 1)
    parts = np.split(np.arange(len(unit)), range(chunk, len(unit), chunk))
    return sum(_knn_hits(unit, labels, part, neighbours) for part in parts) / len(unit)


def logme(features: Array, labels: Array, num_classes: int) -> float:
    """LogME of features ``(n, d)`` and labels ``(n,)``, see ``logme_from_sums``."""
    features, counts = features.astype(np.float64), np.bincount(labels, minlength=num_classes)
    size, dimensions = features.shape
    if size >= dimensions:
        sums = np.stack([features[labels == label].sum(axis=0) for label in range(num_classes)], axis=1)
        return logme_from_sums(features.T @ features, sums, counts)
    if not size:
        return float("nan")
    # The features' spectrum is that of their inner products, which are fewer.
    inner = features @ features.T
    values, vectors = np.linalg.eigh(inner / (float(np.trace(inner)) / size or 1.0))
    explained = (vectors.T @ np.eye(num_classes)[labels]) ** 2
    beside = (dimensions - size, 0)
    return _logme(np.pad(values, beside), np.pad(explained, (beside, (0, 0))), counts)


def logme_from_sums(gram: Array, sums: Array, counts: Array) -> float:
    """Log maximum evidence per example of linear models on the features, one per class against the rest.

    You et al., "LogME: Practical Assessment of Pre-trained Models for Transfer Learning", ICML 2021,
    https://arxiv.org/abs/2102.11005, by the fixed point of You et al. 2022 (JMLR 23, alg. 3). It needs sums
    alone, which clients can add up: the same upload that ridge needs.

    Differs from the authors' code: dimensions that the features do not span enter the evidence's determinant
    (there they are left out where n < d), classes without examples are left out of the average (there each
    adds a constant), features are first brought to mean squared length one, so that the guard against
    division by zero does not depend on their unit, and the fixed point runs to a relative change of 1e-6
    (there 1e-3, 11 steps at most). As there, the evidence is divided by n and averaged over classes.

    Args:
        gram: ``F'F`` ``(d, d)``.
        sums: ``F'Y`` ``(d, classes)``, the sum of the features of each class.
        counts: examples per class ``(classes,)``.

    Returns:
        In nats per example; greater is better, comparable only on the same examples. NaN without examples.
    """
    total = float(counts.sum())
    if not total:
        return float("nan")
    square_length = float(np.trace(gram)) / total or 1.0
    values, vectors = np.linalg.eigh(gram / square_length)
    turned = vectors.T @ sums / np.sqrt(square_length)
    explained = np.divide(turned**2, values[:, None], out=np.zeros(turned.shape), where=values[:, None] > 0)
    return _logme(values, explained, counts)


def _logme(values: Array, explained: Array, counts: Array) -> float:
    """Return the mean evidence of the classes.

    Args:
        values: of the features' spectrum ``(d,)``, ascending.
        explained: of each class's squares by each eigenvector ``(d, classes)``.
        counts: examples per class ``(classes,)``.
    """
    total = float(counts.sum())
    if not total:
        return float("nan")
    spanned = values > 1e-10 * max(float(values[-1]), 1e-300)
    values, explained = np.where(spanned, values, 0.0), np.where(spanned[:, None], explained, 0.0)
    evidences = [_evidence(values, explained[:, c], float(counts[c]), total) for c in np.flatnonzero(counts)]
    return float(np.mean(evidences))


def _evidence(values: Array, explained: Array, square: float, total: float) -> float:
    """Maximum log evidence per example of one class; ``explained`` is ``square`` = y'y over eigenvectors."""
    alpha = beta = 1.0
    outside = max(square - float(explained.sum()), 0.0)
    for _ in range(200):
        ratio = alpha / beta
        gamma = float((values / (values + ratio)).sum())
        length = float((values * explained / (values + ratio) ** 2).sum())
        residual = outside + float((explained / (1 + values / ratio) ** 2).sum())
        # The authors' guard: a class that is fitted without error would divide by zero.
        alpha, beta = gamma / (length + 1e-5), max(total - gamma, 1e-5) / (residual + 1e-5)
        if abs(alpha / beta - ratio) <= 1e-6 * ratio:
            break
    determinant = float(np.log(alpha + beta * values).sum())
    evidence = len(values) * np.log(alpha) + total * np.log(beta) - determinant
    return float((evidence - beta * residual - alpha * length - total * np.log(2 * np.pi)) / (2 * total))


def _knn_hits(unit: Array, labels: Array, queries: Array, neighbours: int) -> int:
    similarity = unit[queries] @ unit.T
    similarity[np.arange(len(queries)), queries] = -np.inf
    nearest = np.argpartition(-similarity, neighbours - 1, axis=1)[:, :neighbours]
    votes = np.zeros((len(queries), int(labels.max()) + 1))
    # A vote counts one and a little of its similarity, which decides ties and nothing else.
    weight = 1 + 1e-4 * np.take_along_axis(similarity, nearest, axis=1)
    np.add.at(votes, (np.arange(len(queries))[:, None], labels[nearest]), weight)
    return int((votes.argmax(axis=1) == labels[queries]).sum())
