"""Two arms on the same test examples: moments of their difference, by stratum.

A stratum is a client; for balanced accuracy it is one class at one client. Every stratum of a client weighs the same,
and so does every client: that is what a mean over clients of (balanced) accuracies is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from headstart.core.arrays import Array


@dataclass(frozen=True, eq=False)
class Paired:
    """One arm's score minus another's on test examples.

    With ``d`` the difference of one example and seed, and ``D`` an example's mean over the seeds:

    Attributes:
        client: ``(strata,)`` position of each stratum's client, in ``0 … clients - 1``.
        count: ``(strata,)`` examples, at least 1.
        mean: ``(strata,)`` of ``D``.
        squares: ``(strata,)`` sum of ``(D - mean)²``.
        wobble: ``(strata,)`` sum over examples of the variance over seeds of ``d``; 0 with one seed.
        by_seed: ``(seeds, strata)`` mean over examples of ``d``.
    """

    client: Array
    count: Array
    mean: Array
    squares: Array
    wobble: Array
    by_seed: Array

    @property
    def weights(self) -> Array:
        """What each stratum weighs in the mean over clients ``(strata,)``; they sum to 1."""
        strata = np.bincount(self.client)
        weights: Array = 1 / (np.count_nonzero(strata) * strata[self.client])
        return weights

    @property
    def client_means(self) -> Array:
        """Every client's mean difference ``(clients,)``, of those that have a stratum."""
        present, at = np.unique(self.client, return_inverse=True)
        means: Array = np.bincount(at, self.mean, len(present)) / np.bincount(at, minlength=len(present))
        return means

    @property
    def totals(self) -> Array:
        """The mean over clients, for every seed ``(seeds,)``."""
        found: Array = self.by_seed @ self.weights
        return found

    def of_client(self, client: int) -> Paired:
        """Keep one client's strata."""
        kept = self.client == client
        zeros = np.zeros(int(kept.sum()), dtype=np.int64)
        parts = (self.count[kept], self.mean[kept], self.squares[kept], self.wobble[kept], self.by_seed[:, kept])
        return Paired(zeros, *parts)


class ByClient(NamedTuple):
    """One arm against another, client by client: a stratum is a client.

    Attributes:
        paired: the moments of the difference.
        up: ``(clients,)`` examples at which the arm is ahead, in their mean over the seeds.
        down: ``(clients,)`` likewise, behind.
    """

    paired: Paired
    up: Array
    down: Array


def of_runs(values: Array) -> Array:
    """Leave out the seeds ``(seeds, …)`` that have no value at all: there was no run.

    >>> of_runs(np.array([[1.0, np.nan], [np.nan, np.nan]])).tolist()
    [[1.0, nan]]
    """
    ran = np.isfinite(values).any(axis=1)
    kept: Array = values[ran] if ran.any() else values
    return kept


def paired(difference: Array, stratum: Array, client: Array) -> Paired:
    """Gather the moments of a difference.

    Args:
        difference: ``(seeds, examples)``, positive is better; a seed without any value is left out, then each example
            that misses one (NaN).
        stratum: ``(examples,)`` any integers.
        client: ``(examples,)`` position of the example's client.

    >>> found = paired(np.array([[1.0, 0.0, -1.0], [1.0, 1.0, -1.0]]), np.array([0, 0, 1]), np.array([0, 0, 1]))
    >>> found.count.tolist(), found.mean.tolist(), found.totals.tolist()
    ([2.0, 1.0], [0.75, -1.0], [-0.25, 0.0])
    """
    difference = of_runs(difference)
    kept = np.isfinite(difference).all(axis=0)
    difference, client = difference[:, kept], client[kept]
    _, first, at = np.unique(stratum[kept], return_index=True, return_inverse=True)
    strata, each = len(first), difference.mean(axis=0) if len(difference) else difference.sum(axis=0)
    count = np.bincount(at, minlength=strata).astype(np.float64)
    mean = np.bincount(at, each, strata) / count
    spread = difference.var(axis=0, ddof=1) if len(difference) > 1 else np.zeros_like(each)
    return Paired(
        client=client[first],
        count=count,
        mean=mean,
        squares=np.bincount(at, (each - mean[at]) ** 2, strata),
        wobble=np.bincount(at, spread, strata),
        by_seed=np.stack([np.bincount(at, row, strata) / count for row in difference]),
    )
