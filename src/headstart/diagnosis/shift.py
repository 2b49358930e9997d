"""Shift of features: Fréchet distances of each client's features from the pool's, within classes too.

Label skew alone moves a client's features, because its classes differ; the class-conditional distance does
not see that. What it sees is that the same class looks different from client to client.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import linalg

from headstart.core import seeds
from headstart.core.arrays import Array


class Shift(NamedTuple):
    """Mean distances over clients, in units of the pool's total variance, and what chance alone would show.

    Attributes:
        frechet: client against pool.
        class_conditional: within each class, weighted by the client's number of examples of it.
        expected: ``frechet`` when examples are dealt at random to clients of the same sizes.
        class_conditional_expected: ``class_conditional`` when each class's examples are dealt at random.
    """

    frechet: float
    class_conditional: float
    expected: float
    class_conditional_expected: float


def measure_shift(features: Array, labels: Array, client_of: Array, *, seed: int = 0, max_clients: int = 100) -> Shift:
    """Measure how the clients' features differ.

    Features of more than 64 dimensions are projected on the pool's 64 leading principal components: a
    client's covariance in more dimensions than it has examples says little, and the cost is cubic. Of more
    than ``max_clients``, as many drawn at random are compared with the pool of all.

    Args:
        features: ``(n, d)`` float.
        labels: ``(n,)`` int.
        client_of: client index of each row ``(n,)`` int.
        seed: of the random deal behind the expected values, and of the clients drawn.
        max_clients: most clients to compare.
    """
    projected = project(features)
    generator = seeds.numpy_generator(seed, "diagnosis", "shift")
    one_class = np.zeros_like(labels)
    present = np.unique(client_of)
    some = generator.choice(present, min(max_clients, len(present)), replace=False)
    dealt, dealt_within = generator.permutation(client_of), _deal_within(labels, client_of, generator)
    return Shift(
        frechet=_mean_distance(projected, one_class, client_of, some),
        class_conditional=_mean_distance(projected, labels, client_of, some),
        expected=_mean_distance(projected, one_class, dealt, some),
        class_conditional_expected=_mean_distance(projected, labels, dealt_within, some),
    )


def project(features: Array, dimensions: int = 64) -> Array:
    """Centre features and keep their leading principal components: ``(n, min(d, dimensions))`` float64."""
    centred: Array = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    if centred.shape[1] <= dimensions:
        return centred
    # A full decomposition would take minutes where features are thousands.
    first = np.random.default_rng(0).standard_normal(centred.shape[1])
    _, vectors = linalg.eigsh(centred.T @ centred, dimensions, v0=first)
    projected: Array = centred @ vectors
    return projected


def frechet_distances(means: Array, covariances: Array, mean: Array, covariance: Array) -> Array:
    """Squared Fréchet distances of normal distributions from one normal distribution.

    ``|m_i - m|² + tr(S_i + S - 2 (S^½ S_i S^½)^½)`` (Dowson and Landau 1982; Heusel et al. 2017, eq. 6).

    Args:
        means: ``(k, d)``.
        covariances: ``(k, d, d)``.
        mean: ``(d,)``.
        covariance: ``(d, d)``.

    Returns:
        ``(k,)`` in squared units of the features.

    >>> frechet_distances(np.array([[3.0]]), np.array([[[4.0]]]), np.array([0.0]), np.array([[1.0]])).tolist()
    [10.0]
    """
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    cross = np.linalg.eigvalsh(root @ covariances @ root)
    overlap = np.sqrt(np.maximum(cross, 0)).sum(axis=1)
    spread = np.trace(covariances, axis1=1, axis2=2) + np.trace(covariance)
    distances: Array = np.maximum(((means - mean) ** 2).sum(axis=1) + spread - 2 * overlap, 0)
    return distances


def _mean_distance(features: Array, labels: Array, client_of: Array, some: Array) -> float:
    """Mean over some clients of the distance from the pool, each over its classes by their size."""
    num_clients = int(client_of.max()) + 1
    totals, weights = np.zeros(num_clients), np.zeros(num_clients)
    for label in np.unique(labels):
        rows = labels == label
        clients, sizes, distances = _class_distances(features[rows], client_of[rows], some)
        totals[clients] += sizes * distances
        weights[clients] += sizes
    variance = features.var(axis=0).sum()
    measured = weights > 0
    return float((totals[measured] / weights[measured]).mean() / variance) if variance and measured.any() else 0.0


def _class_distances(features: Array, client_of: Array, some: Array) -> tuple[Array, Array, Array]:
    """Clients among some with two rows or more, their numbers of rows, their distances from all rows."""
    clients, sizes = np.unique(client_of, return_counts=True)
    measurable = (sizes > 1) & np.isin(clients, some)
    clients, sizes = clients[measurable], sizes[measurable]
    if len(features) < 2 or not len(clients):
        return clients, sizes, np.zeros(len(clients))
    mean, covariance = _moments(features)
    own = [_moments(features[client_of == client]) for client in clients]
    covariances = [_shrink(found, size, covariance) for (_, found), size in zip(own, sizes, strict=True)]
    means = np.stack([found for found, _ in own])
    return clients, sizes, frechet_distances(means, np.stack(covariances), mean, covariance)


def _moments(features: Array) -> tuple[Array, Array]:
    mean = features.mean(axis=0)
    centred = features - mean
    return mean, centred.T @ centred / len(features)


def _shrink(covariance: Array, size: int, pooled: Array) -> Array:
    """Shrink towards the pool's covariance, as ``d`` more examples of it would: the unknown is no shift."""
    dimensions = len(pooled)
    shrunk: Array = (size * covariance + dimensions * pooled) / (size + dimensions)
    return shrunk


def _deal_within(labels: Array, client_of: Array, generator: np.random.Generator) -> Array:
    dealt = client_of.copy()
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        dealt[rows] = client_of[generator.permutation(rows)]
    return dealt
