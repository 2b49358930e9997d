"""The comparisons behind a verdict: who may be chosen, paired effects, the probability of being best."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np

from headstart.core.arrays import Array
from headstart.evidence.bootstrap import Resample, interval, mean_draws, resample
from headstart.evidence.metrics import LOWER_IS_BETTER
from headstart.evidence.scores import Scores, Summary, share_hurt, summarize

Status = Literal["candidate", "oracle", "failed", "ruled out", "incomplete", "not run"]
FEW_CLIENTS = 6


class Effect(NamedTuple):
    """A paired difference, positive where the first arm is better, with its interval; NaN without pairs."""

    gap: float
    low: float
    high: float


NO_EFFECT = Effect(math.nan, math.nan, math.nan)


@dataclass(frozen=True, eq=False)
class Contest:
    """Arms on the decisive clients of one study.

    Attributes:
        scores: of the clients that count.
        metric: what the scores are.
        confidence: of every interval, in (0, 1).
        costs: per arm ``total_bytes`` and ``client_flops``; a missing number counts as infinite.
        ruled_out: arms that a device or data rule excludes, with its reason.
        oracle: arms that no real client can run.
        failed: arms whose training failed, with the reason; they are shown and compared with nothing.
        seed: of the bootstrap.
    """

    scores: Scores
    _: KW_ONLY
    metric: str
    confidence: float
    costs: Mapping[str, Mapping[str, Any]]
    ruled_out: Mapping[str, str]
    oracle: frozenset[str]
    failed: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0

    @property
    def lower_is_better(self) -> bool:
        """Whether a smaller score is a better one."""
        return self.metric in LOWER_IS_BETTER

    @property
    def sign(self) -> float:
        """Turns scores so that greater is better."""
        return -1.0 if self.lower_is_better else 1.0

    @property
    def few_clients(self) -> bool:
        """Whether there are too few clients for any claim of significance."""
        return len(self.scores.clients) <= FEW_CLIENTS

    @cached_property
    def counts(self) -> Resample:
        """The draws that all arms share: 4,000, fewer (at least 1,000) where clients are many."""
        clients = len(self.scores.clients)
        draws = min(4000, max(1000, 4_000_000 // max(clients, 1)))
        return resample(len(self.scores.seeds), clients, draws=draws, seed=self.seed)

    @cached_property
    def summaries(self) -> dict[str, Summary]:
        """Every arm's summary, in the metric's own direction."""
        return {arm: summarize(self.scores.of(arm), lower_is_better=self.lower_is_better) for arm in self.scores.arms}

    @cached_property
    def draws(self) -> dict[str, Array]:
        """Every arm's mean in every draw, in the metric's own direction."""
        return {arm: mean_draws(self.scores.of(arm), self.counts) for arm in self.scores.arms}

    @cached_property
    def candidates(self) -> tuple[str, ...]:
        """Arms that may be recommended: run in full, not ruled out, no oracle."""
        return tuple(arm for arm in self.scores.arms if self.status(arm) == "candidate")

    def status(self, arm: str) -> Status:
        """Say whether an arm may be recommended, or why not.

        An arm is incomplete when it lacks a client or seed that another arm has: where it failed is then
        unknown, and its mean would be taken over easier cells.
        """
        if arm in self.failed and arm not in self.ruled_out:
            return "failed"
        if arm in self.oracle:
            return "oracle"
        if arm in self.ruled_out:
            return "ruled out"
        present = np.isfinite(self.scores.of(arm))
        if not present.any():
            return "not run"
        expected = np.isfinite(self.scores.values).any(axis=0)
        return "candidate" if present[expected].all() else "incomplete"

    def strength(self, arm: str) -> float:
        """Mean score, turned so that greater is better."""
        return self.sign * self.summaries[arm].mean

    def cost(self, arm: str) -> tuple[float, float, int]:
        """Order of cheapness: total bytes, then client FLOPs, then the order of the arms."""
        return self.bytes_of(arm), self._number(arm, "client_flops"), self.scores.arms.index(arm)

    def bytes_of(self, arm: str) -> float:
        """Bytes that all clients of this arm move in both directions."""
        return self._number(arm, "total_bytes")

    def effect(self, arm: str, against: str) -> Effect:
        """Paired effect of one arm against another over the cells that both have; none if either failed."""
        if arm in self.failed or against in self.failed:
            return NO_EFFECT
        difference = self.sign * (self.scores.of(arm) - self.scores.of(against))
        gap = summarize(difference).mean
        return Effect(gap, *interval(mean_draws(difference, self.counts), self.confidence))

    def hurt(self, arm: str, reference: str | None) -> float:
        """Share of clients worse off than under the reference; NaN when there is no such arm, or either failed."""
        if (
            reference is None
            or reference not in self.scores.arms
            or reference == arm
            or {arm, reference} & {*self.failed}
        ):
            return float("nan")
        return share_hurt(self.scores.of(arm), self.scores.of(reference), lower_is_better=self.lower_is_better)

    def probability_best(self) -> dict[str, float]:
        """Share of draws in which each candidate has the best mean; ties are shared evenly."""
        if not self.candidates:
            return {}
        draws = self.sign * np.stack([self.draws[arm] for arm in self.candidates])
        best = draws == draws.max(axis=0)
        shares = (best / best.sum(axis=0)).mean(axis=1)
        return dict(zip(self.candidates, shares.tolist(), strict=True))

    def pareto(self) -> list[str]:
        """Candidates that no other one matches at fewer bytes or beats at as many, the cheapest first."""
        front = [arm for arm in self.candidates if not any(self._dominates(other, arm) for other in self.candidates)]
        return sorted(front, key=self.cost)

    def cheapest_within(self, min_effect: float) -> str:
        """The cheapest candidate whose mean is within ``min_effect`` of the best mean."""
        best = max(self.strength(arm) for arm in self.candidates)
        # Means are sums of rounded numbers: 0.90 - 0.89 must count as 0.01.
        near = [arm for arm in self.candidates if best - self.strength(arm) <= min_effect + 1e-12]
        return min(near, key=self.cost)

    def best(self) -> str:
        """The candidate with the best mean; the cheaper of equals."""
        return min(self.candidates, key=lambda arm: (-self.strength(arm), self.cost(arm)))

    def nearest(self, arm: str) -> str | None:
        """The candidate whose mean lies nearest to this arm's."""
        others = [other for other in self.candidates if other != arm]
        return min(others, key=lambda other: abs(self.strength(other) - self.strength(arm)), default=None)

    def is_clear_winner(self, arm: str, min_effect: float) -> bool:
        """Whether one candidate beats every other one, see ``decide``."""
        others = [other for other in self.candidates if other != arm]
        if not others or self.few_clients or len(self.scores.seeds) < 2:
            return False
        effects = [self.effect(arm, other) for other in others]
        return all(effect.low > 0 and effect.gap > min_effect + 1e-12 for effect in effects)

    def _dominates(self, other: str, arm: str) -> bool:
        ours, theirs = (
            (self.strength(arm), -self.bytes_of(arm)),
            (self.strength(other), -self.bytes_of(other)),
        )
        return theirs != ours and theirs[0] >= ours[0] and theirs[1] >= ours[1]

    def _number(self, arm: str, name: str) -> float:
        value = self.costs.get(arm, {}).get(name)
        return float("inf") if value is None else float(value)
