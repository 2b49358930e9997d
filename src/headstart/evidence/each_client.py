"""What each client gains: exact, one by one, for a few clients as for many."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import special

from headstart.core.arrays import Array
from headstart.core.plain import finite
from headstart.evidence.contrast import FEWEST_SEEDS, satterthwaite
from headstart.evidence.paired import ByClient, of_runs


@dataclass(frozen=True)
class ClientGain:
    """What one client gains in accuracy with another family than the answer's.

    Attributes:
        client: its name.
        seen: whether it took part in training.
        examples: of its test data.
        family: the other family.
        gain: of that family over the answer's.
        low: end of its interval; None with too few seeds or examples.
        high: the other end.
        p_value: of an exact sign test on the examples whose mean over seeds differs, corrected after Holm over all
            clients and comparisons.
        sure: whether the client does better, or worse, beyond doubt: by the test, and by the interval.
    """

    client: str
    seen: bool
    examples: int
    family: str
    gain: float
    low: float | None
    high: float | None
    p_value: float
    sure: bool


class Compares(Protocol):
    """What is known of clients' test examples: rows (:class:`~headstart.evidence.outcomes.Outcomes`), or sums."""

    @property
    def clients(self) -> tuple[str, ...]:
        """Names."""

    @property
    def seen(self) -> Array:
        """Who took part in training ``(clients,)`` bool."""

    def by_client(self, arm: str, other: str) -> ByClient:
        """Compare two arms in accuracy at each client."""


def gains_of_clients(
    outcomes: Compares, answer: str, others: Mapping[str, str], confidence: float
) -> tuple[ClientGain, ...]:
    """Compare families at each client.

    Args:
        outcomes: of all clients.
        answer: the arm that stands for the answer.
        others: the arms that stand for other families, by family.
        confidence: of intervals and of what is sure, in (0, 1).
    """
    found = {family: _Gains.of(outcomes.by_client(arm, answer)) for family, arm in others.items()}
    if not found:
        return ()
    p_values = _holm(np.concatenate([gains.p_values for gains in found.values()]))
    rows = ((family, gains, at) for family, gains in found.items() for at in range(len(gains.clients)))
    return tuple(
        _gain(outcomes, family, gains, at, p, confidence) for (family, gains, at), p in zip(rows, p_values, strict=True)
    )


@dataclass(frozen=True, eq=False)
class _Gains:
    """Of all clients ``(clients,)``: their positions, moments, standard errors, degrees of freedom, p-values."""

    clients: Array
    count: Array
    gap: Array
    se: Array
    df: Array
    p_values: Array

    @classmethod
    def of(cls, compared: ByClient) -> _Gains:
        found = compared.paired
        seeds, freedom = len(found.by_seed), found.count - 1
        with np.errstate(divide="ignore", invalid="ignore"):
            sampling = np.maximum(found.squares / freedom / found.count, found.count**-2.0)
            between = (
                found.by_seed.var(axis=0, ddof=1) / seeds if seeds >= FEWEST_SEEDS else np.full_like(sampling, np.nan)
            )
            se = np.sqrt(np.where(freedom > 0, sampling, np.nan) + between)
            df = satterthwaite(sampling, freedom, between, seeds - 1)
        return cls(found.client, found.count, found.mean, se, df, _sign_tests(compared.up, compared.down))


def _gain(outcomes: Compares, family: str, gains: _Gains, at: int, p_value: float, confidence: float) -> ClientGain:
    half = float(special.stdtrit(gains.df[at], (1 + confidence) / 2) * gains.se[at])
    gap, client = float(gains.gap[at]), int(gains.clients[at])
    return ClientGain(
        client=outcomes.clients[client],
        seen=bool(outcomes.seen[client]),
        examples=int(gains.count[at]),
        family=family,
        gain=gap,
        low=finite(max(-1.0, gap - half) if math.isfinite(half) else math.nan),
        high=finite(min(1.0, gap + half) if math.isfinite(half) else math.nan),
        p_value=p_value,
        # The test takes the seeds as they are; the interval knows that others would give other models.
        sure=p_value < 1 - confidence and abs(gap) > half,
    )


def _sign_tests(up: Array, down: Array) -> Array:
    """Return each client's exact two-sided p-value of its examples' signs ``(clients,)``.

    >>> _sign_tests(np.array([6]), np.array([0])).tolist()
    [0.03125]
    """
    p_values: Array = np.minimum(1, 2 * special.bdtr(np.minimum(up, down), up + down, 0.5))
    return p_values


def _holm(values: Array) -> list[float]:
    """Return p-values corrected for as many tests: Holm, Scandinavian Journal of Statistics 6(2), 1979.

    >>> [round(p, 2) for p in _holm(np.array([0.01, 0.04, 0.03]))]
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(values)
    scaled = values[order] * np.arange(len(values), 0, -1)
    corrected = np.empty(len(values))
    corrected[order] = np.minimum(1, np.maximum.accumulate(scaled)) if len(values) else scaled
    return [float(p) for p in corrected]


def chance_of_hurt(difference: Array, owner: Array) -> float:
    """Return the share of clients that would look worse off by chance, were no example's difference more than a coin.

    Args:
        difference: ``(seeds, examples)``, positive is better.
        owner: ``(examples,)`` position of each example's client.

    >>> chance_of_hurt(np.array([[1.0, -1.0, 1.0, 0.0]]), np.array([0, 0, 0, 1]))
    0.25
    """
    difference = of_runs(difference)
    kept = np.isfinite(difference).all(axis=0)
    if not kept.any():
        return math.nan
    present, at = np.unique(owner[kept], return_inverse=True)
    return chance_of_coins(np.bincount(at[np.abs(difference[:, kept].mean(axis=0)) > 1e-9], minlength=len(present)))


def chance_of_coins(differing: Array) -> float:
    """Return the mean chance that fewer than half of so many coins come up ``(clients,)``."""
    # Half of what is no tie.
    half = (differing + 1) // 2 - 1
    return float(np.where(differing, special.bdtr(np.maximum(half, 0), differing, 0.5), 0.0).mean())
