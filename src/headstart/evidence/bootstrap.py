"""Hierarchical bootstrap over seeds and clients, the same draws for every arm.

A draw resamples the seeds with replacement and, within them, the clients with replacement. The resampled
clients are the same in every seed of a draw: a client stays itself under another seed, so drawing it anew per
seed would treat one client under five seeds as five clients and make intervals too narrow. This is the
pigeonhole bootstrap of Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1(2), 2007,
https://arxiv.org/abs/0712.1111
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from headstart.core.arrays import Array


class Resample(NamedTuple):
    """How often each draw takes each seed ``(draws, seeds)`` and each client ``(draws, clients)``."""

    seeds: Array
    clients: Array


def resample(num_seeds: int, num_clients: int, *, draws: int = 4000, seed: int = 0) -> Resample:
    """Draw seeds and clients with replacement; use one result for all arms, so that they stay paired.

    >>> counts = resample(5, 20, draws=10)
    >>> counts.seeds.shape, counts.clients.sum(axis=1).tolist()
    ((10, 5), [20.0, 20.0, 20.0, 20.0, 20.0, 20.0, 20.0, 20.0, 20.0, 20.0])
    """
    generator = np.random.default_rng(seed)

    def draw(count: int) -> Array:
        counts = generator.multinomial(count, np.full(count, 1 / count), size=draws) if count else np.zeros((draws, 0))
        return counts.astype(np.float64)

    return Resample(draw(num_seeds), draw(num_clients))


def mean_draws(values: Array, counts: Resample) -> Array:
    """Mean of one arm, or of one paired difference, in every draw.

    Args:
        values: ``(seeds, clients)``; NaN is missing and carries no weight.
        counts: from ``resample``.

    Returns:
        ``(draws,)``; NaN for a draw that met only missing values.
    """
    present = np.isfinite(values)
    total = ((counts.clients @ np.where(present, values, 0.0).T) * counts.seeds).sum(axis=1)
    weight = ((counts.clients @ present.T.astype(np.float64)) * counts.seeds).sum(axis=1)
    means: Array = np.divide(total, weight, out=np.full(len(weight), np.nan), where=weight > 0)
    return means


def interval(draws: Array, confidence: float) -> tuple[float, float]:
    """Percentile interval that holds ``confidence`` (in (0, 1)) of the draws; NaN when there is none.

    >>> interval(np.arange(5.0), 0.5)
    (1.0, 3.0)
    """
    present = draws[np.isfinite(draws)]
    if not present.size:
        return float("nan"), float("nan")
    tail = (1 - confidence) / 2
    low, high = np.quantile(present, [tail, 1 - tail])
    return float(low), float(high)
