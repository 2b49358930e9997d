"""A contrast of two arms: by how much one is better, how surely, and for whom.

Two scopes. *These* clients are the ones that matter: what varies is which test examples they happen to have, and the
seeds. *Like these*: the clients are a sample of more, which varies too. The test examples' (or clients') share of the
variance and the seeds' are estimated apart and added; the degrees of freedom are Satterthwaite's (Biometrics Bulletin
2, 1946). What varies with both, example and seed, is counted in either share: safe, and a little too wide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import numpy as np
from scipy import special

from headstart.core.arrays import Array
from headstart.evidence.paired import Paired

Scope = Literal["these", "like these"]
Number = TypeVar("Number", float, Array)
FEWEST_SEEDS, FEWEST_CLIENTS = 3, 3
"""Seeds below which nothing is claimed, and clients below which nothing is claimed of clients like these."""
FEW_EXAMPLES = 5
"""Test examples of a client below which its own spread says nothing."""


_ROUNDING = 1e-12


@dataclass(frozen=True)
class Contrast:
    """One arm's mean score over clients minus another's.

    Attributes:
        gap: positive where the first is better.
        se: its standard error; NaN where nothing can be claimed.
        df: degrees of freedom of ``se``.
        scope: what ``se`` speaks of.
        clients: that were compared.
        examples: test examples of one seed.
        seeds: of the runs.
        sampling: the part of the squared error that more examples (*these*) or clients (*like these*) would lower.
        between: the variance between seeds of the mean over clients.
        within: the part of ``between`` that is single examples' luck.
        bounded: whether scores are right or wrong, so that no difference is beyond 1.
    """

    gap: float
    se: float
    df: float
    scope: Scope
    clients: int
    examples: int
    seeds: int
    sampling: float
    between: float
    within: float
    bounded: bool = False

    def ends(self, tail: float) -> tuple[float, float]:
        """Return the interval that leaves ``tail`` (in (0, 0.5)) outside on each side; NaN without a claim."""
        half = self.quantile(tail) * self.se
        low, high = self.gap - half, self.gap + half
        return (max(-1.0, low), min(1.0, high)) if self.bounded and math.isfinite(half) else (low, high)

    def interval(self, confidence: float) -> tuple[float, float]:
        """Return the two-sided interval at a confidence in (0, 1)."""
        return self.ends((1 - confidence) / 2)

    def quantile(self, tail: float) -> float:
        """Return how many standard errors leave ``tail`` outside on one side."""
        return float(special.stdtrit(self.df, 1 - tail)) if math.isfinite(self.df) else math.nan

    def turned(self) -> Contrast:
        """Return the same contrast seen from the other arm."""
        return replace(self, gap=-self.gap)


def contrast(moments: Paired, scope: Scope, *, floor: bool) -> Contrast:
    """Estimate a contrast.

    Args:
        moments: of the difference of two arms.
        scope: of which clients to speak.
        floor: whether scores are right or wrong, so that an error below one example's weight means nothing.

    >>> from headstart.evidence.paired import paired
    >>> generator = np.random.default_rng(0)
    >>> client = np.arange(400) % 4
    >>> better = generator.random((3, 400)) < 0.8
    >>> worse = generator.random((3, 400)) < 0.6
    >>> found = contrast(paired(better.astype(float) - worse, client, client), "these", floor=True)
    >>> found.clients, found.examples, found.interval(0.95)[0] > 0.1
    (4, 400, True)
    """
    clients, examples, seeds = len(moments.client_means), int(moments.count.sum()), len(moments.by_seed)
    sampling, df = _these(moments, clients) if scope == "these" else _like_these(moments, clients)
    sampling = max(sampling, examples**-2.0) if floor and examples and math.isfinite(sampling) else sampling
    between = float(moments.totals.var(ddof=1)) if seeds > 1 else math.nan
    claimed = seeds >= FEWEST_SEEDS and math.isfinite(sampling)
    squared = sampling + between / max(1, seeds) if claimed else math.nan
    return Contrast(
        gap=_mean(moments.client_means) if clients else math.nan,
        se=math.sqrt(squared) if claimed else math.nan,
        df=_freedom(sampling, df, between / seeds, seeds - 1) if claimed else math.nan,
        scope=scope,
        clients=clients,
        examples=examples,
        seeds=seeds,
        sampling=sampling,
        between=between,
        within=float((moments.weights**2 * moments.wobble / moments.count**2).sum()),
        bounded=floor,
    )


def _these(moments: Paired, clients: int) -> tuple[float, float]:
    """Return the variance of the mean by the choice of test examples, and its degrees of freedom."""
    freedom = moments.count - 1
    if not freedom.sum() > 0:
        return math.nan, math.nan
    # A stratum of one example varies as the others do.
    pooled = moments.squares.sum() / freedom.sum()
    alone = freedom == 0
    variance = np.where(alone, pooled, moments.squares / np.maximum(freedom, 1))
    freedom = np.where(alone, freedom.sum(), freedom)
    tiny, at_tiny = _at_tiny_clients(moments)
    variance, freedom = (
        np.where(tiny, np.maximum(variance, at_tiny), variance),
        np.where(tiny, np.minimum(freedom, max(1, tiny.sum())), freedom),
    )
    parts = moments.weights**2 * variance / moments.count
    if not parts.any():
        return 0.0, max(1.0, float(moments.count.sum()) - clients)
    return float(parts.sum()), float(parts.sum() ** 2 / (parts**2 / freedom).sum())


def _at_tiny_clients(moments: Paired) -> tuple[Array, float]:
    """Return which strata lie at clients of very few test examples ``(strata,)``, and a variance of those.

    Such a client weighs as much as any other, and may differ from them: what its examples are off the mean of the
    others says how much, where their own spread says nothing.
    """
    sizes = np.bincount(moments.client, moments.count)
    tiny: Array = sizes[moments.client] < FEW_EXAMPLES
    if not tiny.any() or tiny.all():
        return np.zeros(len(tiny), dtype=bool), 0.0
    centre = float(np.average(moments.mean[~tiny], weights=moments.weights[~tiny]))
    return tiny, float((moments.count[tiny] * (moments.mean[tiny] - centre) ** 2).mean())


def _like_these(moments: Paired, clients: int) -> tuple[float, float]:
    """Return the variance of the mean by the choice of clients, and its degrees of freedom."""
    if clients < FEWEST_CLIENTS:
        return math.nan, math.nan
    return float(moments.client_means.var(ddof=1)) / clients, clients - 1.0


def _freedom(one: float, one_df: float, other: float, other_df: float) -> float:
    """Return the degrees of freedom of a sum of two variances, which may both be 0."""
    return satterthwaite(one, one_df, other, other_df) if one + other > 0 else one_df + other_df


def satterthwaite(one: Number, one_df: Number, other: Number, other_df: float) -> Number:
    """Return the degrees of freedom of a sum of two variances, not both 0.

    >>> satterthwaite(1.0, 4.0, 1.0, 4.0)
    8.0
    """
    return (one + other) ** 2 / (one**2 / one_df + other**2 / other_df)


def _mean(values: Array) -> float:
    """Return a mean, 0 where it misses that by rounding alone: no sign is made of nothing."""
    found = float(values.mean())
    return 0.0 if abs(found) < _ROUNDING else found
