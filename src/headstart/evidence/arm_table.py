"""The arms of a verdict side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from headstart.core.plain import finite
from headstart.evidence.contest import NO_EFFECT, Contest, Effect
from headstart.evidence.metrics import nan_mean
from headstart.evidence.scores import Scores
from headstart.evidence.sides import Family, Traits

Pair = tuple[float, float]


@dataclass(frozen=True)
class ArmScore:
    """One arm in the verdict's table; None where there is nothing to say.

    Attributes:
        status: ``candidate``, ``reference``, ``failed``, ``ruled out``, ``dropped`` (out of the race), ``incomplete``
            (lacks a seed or client) or ``not run``.
        family: ``fine-tune``, ``federate`` or ``both``; None of a reference.
        from_scratch: whether its start knows nothing; None where that is not known.
        mean: over the decisive clients, then seeds.
        sd: sample SD over clients.
        sd_seeds: sample SD over seeds of the mean over clients.
        worst_decile: the boundary of the worst tenth of the clients, mean over seeds.
        worst_client: the worst client's score, mean over seeds.
        interval: of the mean.
        unseen_mean: over held-out clients.
        effect: paired, over the baseline; positive is better.
        effect_interval: of the effect.
    """

    status: str
    family: Family | None
    from_scratch: bool | None
    mean: float | None
    sd: float | None
    sd_seeds: float | None
    worst_decile: float | None
    worst_client: float | None
    interval: Pair | None
    unseen_mean: float | None
    effect: float | None
    effect_interval: Pair | None

    @property
    def traits(self) -> Traits:
        """What the arm is."""
        return Traits(self.family, from_scratch=bool(self.from_scratch))


def arm_table(contest: Contest, baseline: str, unseen: Scores) -> dict[str, ArmScore]:
    """Return every arm's row.

    Args:
        contest: of the decisive clients.
        baseline: arm that effects are measured against.
        unseen: scores of held-out clients.
    """

    def row(arm: str) -> ArmScore:
        effect = effect_over(contest, arm, baseline)
        traits = contest.traits.get(arm)
        return ArmScore(
            status=contest.status(arm),
            family=traits.family if traits else None,
            from_scratch=traits.from_scratch if traits else None,
            **{name: finite(value) for name, value in contest.summaries[arm]._asdict().items()},
            interval=pair(*contest.interval(arm)),
            unseen_mean=finite(nan_mean(unseen.of(arm))),
            effect=finite(effect.gap),
            effect_interval=pair(effect.low, effect.high),
        )

    return {arm: row(arm) for arm in contest.scores.arms}


def effect_over(contest: Contest, arm: str | None, baseline: str) -> Effect:
    """Return an arm's effect over the baseline, if both are there."""
    if arm is None or baseline not in contest.scores.arms:
        return NO_EFFECT
    return contest.effect(arm, baseline)


def shares_hurt(contest: Contest, local: str, keep: Mapping[str, str]) -> dict[str, dict[str, float | None]]:
    """Return for each arm the share of clients worse off than alone, and than without its adaptation.

    Beside each stands the share that chance alone would show, ``local_by_chance`` and ``keep_by_chance``, where single
    examples are known.
    """

    def shares(arm: str) -> dict[str, float | None]:
        references = {"local": local, "keep": keep.get(arm, "zero-shot")}
        found = {name: finite(contest.hurt(arm, other)) for name, other in references.items()}
        chance = {f"{name}_by_chance": _by_chance(contest, arm, other) for name, other in references.items()}
        return {**found, **chance}

    return {arm: shares(arm) for arm in contest.scores.arms}


def _by_chance(contest: Contest, arm: str, reference: str) -> float | None:
    if not contest.can_compare(arm, reference):
        return None
    return finite(contest.evidence.by_chance(arm, reference))


def pair(low: float, high: float) -> Pair | None:
    """Return an interval, or None where an end is missing."""
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None
