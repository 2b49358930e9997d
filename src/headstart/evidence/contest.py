"""The comparisons behind a verdict: who may be chosen, paired effects, the probability of being best."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np

from headstart.core.arrays import Array
from headstart.evidence.answer import Absent, Rule
from headstart.evidence.bootstrap import Resample, mean_draws, resample
from headstart.evidence.contrast import contrast
from headstart.evidence.metrics import Measure
from headstart.evidence.race import Out
from headstart.evidence.scores import Scores, Summary, share_hurt, summarize
from headstart.evidence.sides import FAMILIES, Entrant, Evidence, Family, Traits

Status = Literal["candidate", "reference", "failed", "ruled out", "dropped", "incomplete", "not run"]
FEW_CLIENTS = 6


class Effect(NamedTuple):
    """A paired difference, positive where the first arm is better, with its interval; NaN where there is none."""

    gap: float
    low: float
    high: float


NO_EFFECT = Effect(math.nan, math.nan, math.nan)


@dataclass(frozen=True, eq=False)
class Contest:
    """Arms on the decisive clients of one study.

    Attributes:
        scores: of the clients that count.
        evidence: what arms are compared on.
        metric: what the scores are.
        rule: of the decision.
        costs: per arm ``total_bytes`` and ``client_flops``; a missing number counts as infinite.
        ruled_out: arms that a device or data rule excludes, with its reason.
        traits: what every arm is.
        failed: arms whose training failed, with the reason; they are shown and compared with nothing.
        validation: each arm's mean on validation data, in the metric; missing without.
        validation_worst: likewise, the boundary of the worst tenth of the clients.
        out: arms that did not go on in a race, with the reason.
        seed: of the bootstrap.
    """

    scores: Scores
    evidence: Evidence
    _: KW_ONLY
    metric: Measure
    rule: Rule
    costs: Mapping[str, Mapping[str, Any]]
    ruled_out: Mapping[str, str]
    traits: Mapping[str, Traits]
    failed: Mapping[str, str] = field(default_factory=dict)
    validation: Mapping[str, float] = field(default_factory=dict)
    validation_worst: Mapping[str, float] = field(default_factory=dict)
    out: Mapping[str, Out] = field(default_factory=dict)
    seed: int = 0

    @property
    def lower_is_better(self) -> bool:
        """Whether a smaller score is a better one."""
        return self.metric.lower_is_better

    @property
    def sign(self) -> float:
        """Turns scores so that greater is better."""
        return self.metric.sign

    @property
    def few_clients(self) -> bool:
        """Whether clients are so few that each is shown with its score under every arm."""
        return len(self.scores.clients) <= FEW_CLIENTS

    @cached_property
    def entrants(self) -> dict[str, Entrant]:
        """The candidates, as far as they are known before the test is looked at."""
        return {
            arm: Entrant(
                self.traits[arm],
                self.cost(arm),
                self.sign * self.validation.get(arm, math.nan),
                beaten=arm in self.out and self.out[arm].kind == "dropped",
            )
            for arm in self.candidates
        }

    @property
    def absent(self) -> dict[Family, Absent]:
        """Families of the study without a candidate, with the reason."""
        there = {self.traits[arm].family for arm in self.candidates}
        known = {traits.family for traits in self.traits.values()}
        return {family: self._why_absent(family) for family in FAMILIES if family in known - there}

    def _why_absent(self, family: Family) -> Absent:
        """Return the reason of the family's first arm: failures before rules."""
        arms = [arm for arm, traits in self.traits.items() if traits.family == family]
        failed = [arm for arm in arms if arm in self.failed]
        if failed:
            return Absent(f"{failed[0]}: {self.failed[failed[0]]}")
        ruled_out = [arm for arm in arms if arm in self.ruled_out]
        if ruled_out:
            why = f"{ruled_out[0]} is ruled out: {self.ruled_out[ruled_out[0]]}"
            return Absent(why, ruled_out=len(ruled_out) == len(arms))
        half = [arm for arm in arms if arm in self.scores.arms and self.status(arm) == "incomplete"]
        if half and self.metric.undefined:
            return Absent(f"{half[0]}: {self.metric.words} is not defined at all of its clients, or not all of it ran")
        return Absent(f"{arms[0]} did not run in full")

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
    def candidates(self) -> tuple[str, ...]:
        """Arms that may be recommended: run in full, not ruled out, no reference."""
        return tuple(arm for arm in self.scores.arms if self.status(arm) == "candidate")

    def status(self, arm: str) -> Status:
        """Say whether an arm may be recommended, or why not.

        An arm is incomplete when it lacks a client or seed that another arm has: where it failed is then
        unknown, and its mean would be taken over easier cells. Of an arm that is out of a race with its family only the
        seeds count that it ran: it may still be shown to be behind.
        """
        if arm in self.failed and arm not in self.ruled_out:
            return "failed"
        if self.is_reference(arm):
            return "reference"
        if arm in self.ruled_out:
            return "ruled out"
        if self._is_complete(arm):
            return "candidate"
        if arm in self.out:
            return "dropped"
        return "incomplete" if np.isfinite(self.scores.of(arm)).any() else "not run"

    def _is_complete(self, arm: str) -> bool:
        """Say whether an arm has each client of each seed that another has; of its own seeds, if it was excluded."""
        present: Array = np.isfinite(self.scores.of(arm))
        expected: Array = np.any(np.isfinite(self.scores.values), axis=0)
        if arm in self.out and self.out[arm].kind == "excluded":
            ran = present.any(axis=1)
            present, expected = present[ran], expected[ran]
        return bool(present.any() and present[expected].all())

    def is_reference(self, arm: str) -> bool:
        """Whether no real client can run the arm."""
        return arm in self.traits and self.traits[arm].family is None

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
        """Paired effect of one arm against another, with its interval by the rule; none if either failed."""
        if arm in self.failed or against in self.failed:
            return NO_EFFECT
        return self._effect(arm, against)

    def interval(self, arm: str) -> tuple[float, float]:
        """Return the interval of an arm's mean, in the metric's own direction; NaN where there is none."""
        low, high = sorted(self.sign * end for end in self._effect(arm, None)[1:])
        # A mean lies where its values may.
        least, most = self.metric.low, self.metric.high
        return float(np.clip(low, least, most)), float(np.clip(high, least, most))

    def hurt(self, arm: str, reference: str | None) -> float:
        """Share of clients worse off than under a reference; NaN when there is no such arm, or either failed."""
        if reference is None or not self.can_compare(arm, reference):
            return math.nan
        return share_hurt(self.scores.of(arm), self.scores.of(reference), lower_is_better=self.lower_is_better)

    def can_compare(self, arm: str, other: str) -> bool:
        """Whether two different arms ran and did not fail."""
        return other in self.scores.arms and other != arm and not {arm, other} & {*self.failed}

    def probability_best(self, arms: tuple[str, ...]) -> dict[str, float]:
        """Share of bootstrap draws in which each of some arms that ran with all seeds is best; ties are shared."""
        arms = tuple(arm for arm in arms if np.isfinite(self.scores.of(arm)).any(axis=1).all())
        if not arms:
            return {}
        means = {arm: mean_draws(self.scores.of(arm), self.counts) for arm in arms}
        # A draw may have no client at which an arm's metric is defined.
        arms = tuple(arm for arm, found in means.items() if np.isfinite(found).all())
        if not arms:
            return {}
        draws = self.sign * np.stack([means[arm] for arm in arms])
        best = draws == draws.max(axis=0)
        shares = (best / best.sum(axis=0)).mean(axis=1)
        return dict(zip(arms, shares.tolist(), strict=True))

    def pareto(self) -> list[str]:
        """Candidates that no other one matches at fewer bytes or beats at as many, the cheapest first."""
        front = [arm for arm in self.candidates if not any(self._dominates(other, arm) for other in self.candidates)]
        return sorted(front, key=self.cost)

    def nearest(self, arm: str) -> str | None:
        """The candidate whose mean lies nearest to this arm's."""
        others = [other for other in self.candidates if other != arm]
        return min(others, key=lambda other: abs(self.strength(other) - self.strength(arm)), default=None)

    def is_clear_winner(self, arm: str) -> bool:
        """Whether a candidate beats every other one, its own family's too, by more than what matters."""
        effects = [self.effect(arm, other) for other in self.candidates if other != arm]
        least = self.rule.min_effect + 1e-12
        return bool(effects) and all(effect.low > 0 and effect.gap > least for effect in effects)

    def _effect(self, arm: str, against: str | None) -> Effect:
        moments = self.evidence.compare(arm, against)
        if not len(moments.count):
            return NO_EFFECT
        found = contrast(moments, self.rule.scope, floor=self.evidence.is_share)
        return Effect(found.gap, *found.interval(self.rule.confidence))

    def _dominates(self, other: str, arm: str) -> bool:
        ours, theirs = (
            (self.strength(arm), -self.bytes_of(arm)),
            (self.strength(other), -self.bytes_of(other)),
        )
        return theirs != ours and theirs[0] >= ours[0] and theirs[1] >= ours[1]

    def _number(self, arm: str, name: str) -> float:
        value = self.costs.get(arm, {}).get(name)
        return float("inf") if value is None else float(value)
