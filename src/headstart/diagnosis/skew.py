"""Skew of labels and amounts: how far each client's classes and number of examples are from the pool's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import rel_entr

from headstart.core import seeds
from headstart.core.arrays import Array


def class_counts(labels: Sequence[Array], num_classes: int) -> Array:
    """Count labels per client: ``(clients, classes)`` int64.

    >>> class_counts([np.array([0, 0, 1]), np.array([], dtype=int)], 2).tolist()
    [[2, 1], [0, 0]]
    """
    return np.stack([np.bincount(part, minlength=num_classes) for part in labels])


def total_variation(counts: Array) -> Array:
    """Total variation distance of each client's class shares from the pool's.

    Args:
        counts: ``(clients, classes)``.

    Returns:
        ``(clients,)`` in [0, 1]: the share of its examples that a client would have to relabel; NaN without
        examples.

    >>> total_variation(np.array([[4, 0], [0, 4]])).tolist()
    [0.5, 0.5]
    """
    distances: Array = 0.5 * np.abs(_shares(counts) - _pool(counts)).sum(axis=1)
    return distances


def jensen_shannon(counts: Array) -> Array:
    """Jensen-Shannon divergence, in bits, of each client's class shares from the pool's.

    Args:
        counts: ``(clients, classes)``.

    Returns:
        ``(clients,)`` in [0, 1]; NaN without examples. (Its square root is the Jensen-Shannon distance.)

    >>> jensen_shannon(np.array([[2, 2], [4, 4]])).tolist()
    [0.0, 0.0]
    """
    shares, pool = _shares(counts), _pool(counts)
    middle = (shares + pool) / 2
    nats = (rel_entr(shares, middle) + rel_entr(pool, middle)).sum(axis=1) / 2
    # Rounding leaves shares that are nearly the pool's below zero, where SciPy's own distance is NaN.
    bits: Array = np.maximum(nats, 0.0) / np.log(2)
    return bits


def chance_variation(counts: Array, *, seed: int = 0, shuffles: int = 20) -> float:
    """Mean total variation that clients of these sizes would show if examples were dealt at random.

    Small clients look skewed by chance alone: ten examples of ten classes can hardly match the pool.

    Args:
        counts: ``(clients, classes)``.
        seed: of the random deals.
        shuffles: how many of them.
    """
    sizes, pool = counts.sum(axis=1), counts.sum(axis=0)
    generator = seeds.numpy_generator(seed, "diagnosis", "labels")
    dealt = [_deal(sizes[sizes > 0], pool, generator) for _ in range(shuffles)]
    return float(np.mean([total_variation(counts).mean() for counts in dealt]))


def gini(sizes: Array) -> float:
    """Gini coefficient of the clients' numbers of examples: 0 when equal, towards 1 when one client has all.

    >>> gini(np.array([5, 5, 5])), gini(np.array([0, 0, 0, 8]))
    (0.0, 0.75)
    """
    ordered = np.sort(sizes).astype(np.float64)
    if not ordered.sum():
        return 0.0
    ranks = np.arange(1, len(ordered) + 1)
    return float((2 * ranks - len(ordered) - 1) @ ordered / (len(ordered) * ordered.sum()))


def quantity(sizes: Array) -> dict[str, float]:
    """Return how unequal clients' numbers of examples ``(clients,)`` are.

    >>> quantity(np.array([10, 30]))
    {'min': 10, 'median': 20.0, 'max': 30, 'gini': 0.25}
    """
    median = float(np.median(sizes))
    return {"min": int(sizes.min()), "median": median, "max": int(sizes.max()), "gini": gini(sizes)}


def missing_classes(counts: Array) -> list[list[int]]:
    """List, per client, the classes of the pool that the client has no example of.

    >>> missing_classes(np.array([[2, 0, 0], [1, 1, 0]]))
    [[1], []]
    """
    present = counts.sum(axis=0) > 0
    return [np.flatnonzero(present & (row == 0)).tolist() for row in counts]


def _shares(counts: Array) -> Array:
    totals = counts.sum(axis=1, keepdims=True)
    shares: Array = np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)
    return shares


def _pool(counts: Array) -> Array:
    pool: Array = counts.sum(axis=0) / max(counts.sum(), 1)
    return pool


def _deal(sizes: Array, pool: Array, generator: np.random.Generator) -> Array:
    labels = generator.permutation(np.repeat(np.arange(len(pool)), pool))
    return class_counts(np.split(labels, np.cumsum(sizes)[:-1]), len(pool))
