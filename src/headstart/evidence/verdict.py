"""The verdict: which arm to use, how sure that is, and what would change it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from headstart.core.errors import DataError
from headstart.core.plain import finite, plain
from headstart.evidence import wording
from headstart.evidence.bootstrap import interval
from headstart.evidence.contest import NO_EFFECT, Contest, Effect
from headstart.evidence.decision import check_settings
from headstart.evidence.metrics import nan_mean
from headstart.evidence.noticed import Noticed
from headstart.evidence.scores import Scores

Pair = tuple[float, float]


@dataclass(frozen=True)
class ArmScore:
    """One arm in the verdict's table; None where there is nothing to say.

    Attributes:
        status: ``candidate``, ``oracle``, ``failed``, ``ruled out``, ``incomplete`` (lacks a seed or client) or
            ``not run``.
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
    mean: float | None
    sd: float | None
    sd_seeds: float | None
    worst_decile: float | None
    worst_client: float | None
    interval: Pair | None
    unseen_mean: float | None
    effect: float | None
    effect_interval: Pair | None


@dataclass(frozen=True)
class Verdict:
    """What a study found; the rule is in ``decide``.

    Attributes:
        recommended: arm to use; None when no arm may be recommended.
        clear_winner: whether it beats every other candidate by the rule of ``decide``.
        sentence: the verdict and its uncertainty in plain words.
        metric: what was compared.
        min_effect: the smallest difference that matters.
        confidence: of every interval.
        baseline: arm that effects are measured against.
        effect: paired effect of the recommended arm over the baseline, positive is better.
        interval: of the effect.
        probability_best: per candidate, share of bootstrap draws in which it has the best mean.
        nearest: the candidate nearest to the recommended arm: ``arm``, ``gap`` (positive: it is worse),
            ``interval``.
        pareto: candidates not beaten in both mean and total bytes, the cheapest first.
        hurt: per arm, share of clients worse off than under ``local`` and under ``keep``.
        ruled_out: arms excluded by a device or data rule, with the reason.
        predicted: arm that the diagnosis predicted before the runs.
        would_change: sentences on what would change the answer.
        few_clients: six or fewer decisive clients, so that no significance is claimed.
        num_clients: number of decisive clients.
        num_seeds: number of seeds.
        clients: when clients are few, every client's mean per arm.
        arms: per arm, its scores.
        failed: arms whose training failed, with the reason; nothing is compared with them.
        warnings: per arm, what else is to be noticed.
        kept: per arm with an adaptation, how many clients kept it.
    """

    recommended: str | None
    clear_winner: bool
    sentence: str
    metric: str
    min_effect: float
    confidence: float
    baseline: str
    effect: float | None
    interval: Pair | None
    probability_best: dict[str, float]
    nearest: dict[str, Any] | None
    pareto: list[str]
    hurt: dict[str, dict[str, float | None]]
    ruled_out: dict[str, str]
    predicted: str | None
    would_change: list[str]
    few_clients: bool
    num_clients: int
    num_seeds: int
    clients: dict[str, dict[str, float | None]]
    arms: dict[str, ArmScore]
    failed: dict[str, str] = field(default_factory=dict)
    warnings: dict[str, list[str]] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return plain values that JSON can say, without NaN."""
        found: dict[str, Any] = plain(asdict(self))
        return found


def decide(
    scores: Scores,
    *,
    baseline: str,
    metric: str,
    min_effect: float,
    confidence: float,
    costs: Mapping[str, Mapping[str, Any]],
    ruled_out: Mapping[str, str],
    oracle: frozenset[str] = frozenset({"pooled"}),
    keep: Mapping[str, str] | None = None,
    local: str = "local",
    predicted: str | None = None,
    noticed: Noticed | None = None,
    seed: int = 0,
) -> Verdict:
    """Decide between the arms of a study.

    The rule. *Candidates* are the arms that ran in full, did not fail, are not ruled out and are no oracle. Means and
    effects are over seen clients (over held-out ones only where no other exists). The recommended arm is the
    cheapest candidate (total bytes, then client FLOPs) whose mean is within ``min_effect`` of the best mean.
    It is a *clear winner* when, for every other candidate, its mean is better by more than ``min_effect`` and
    the whole paired bootstrap interval lies above zero; with six clients or fewer, or one seed, no winner is
    ever clear.

    Args:
        scores: one value per arm, seed and client.
        baseline: arm that effects are measured against.
        metric: what the scores are.
        min_effect: the smallest difference that matters, in the metric's unit, at least 0.
        confidence: of every interval, in (0, 1).
        costs: per arm ``total_bytes`` and ``client_flops``; a missing number counts as infinite.
        ruled_out: arms that a device or data rule excludes, with its reason; they may have scores all the
            same.
        oracle: arms that no real client can run; shown, never recommended.
        keep: per arm, the arm that is the same without its adaptation; ``zero-shot`` for an arm without
            entry.
        local: arm in which clients train alone.
        predicted: what the diagnosis predicted, to stand in the verdict.
        noticed: which arms failed, and what else is to be said of them; None for nothing.
        seed: of the bootstrap.

    Raises:
        SettingError: a setting is out of range, or the baseline is no arm.
        DataError: there is no client with a score.

    >>> import numpy as np
    >>> values = np.array([[[0.9] * 8, [0.8] * 8], [[0.7] * 8, [0.6] * 8]])
    >>> seen = np.ones(8, dtype=bool)
    >>> scores = Scores(("ridge", "fedavg"), (0, 1), tuple("abcdefgh"), seen, values)
    >>> verdict = decide(scores, baseline="fedavg", metric="accuracy", min_effect=0.01, confidence=0.95,
    ...                  costs={}, ruled_out={})
    >>> verdict.recommended, verdict.clear_winner, round(verdict.effect, 3)
    ('ridge', True, 0.2)
    """
    check_settings(baseline, metric, min_effect, confidence, [*scores.arms, *ruled_out])
    decisive, noticed = scores.decisive(), noticed or Noticed()
    if not decisive.clients:
        raise DataError(f"decide: needs a client with a score in '{metric}', got none; run an arm first")
    contest = Contest(
        decisive,
        metric=metric,
        confidence=confidence,
        costs=costs,
        ruled_out=ruled_out,
        oracle=oracle,
        failed=noticed.failed,
        seed=seed,
    )
    recommended = contest.cheapest_within(min_effect) if contest.candidates else None
    clear = recommended is not None and contest.is_clear_winner(recommended, min_effect)
    effect = _effect(contest, recommended, baseline)
    return Verdict(
        recommended=recommended,
        clear_winner=clear,
        sentence=wording.sentence(contest, recommended, clear, baseline, min_effect),
        metric=metric,
        min_effect=min_effect,
        confidence=confidence,
        baseline=baseline,
        effect=finite(effect.gap),
        interval=_pair(effect.low, effect.high),
        probability_best=contest.probability_best(),
        nearest=_nearest(contest, recommended),
        pareto=contest.pareto(),
        hurt=_hurt(contest, local, keep or {}),
        ruled_out=dict(ruled_out),
        predicted=predicted,
        would_change=wording.would_change(contest, recommended, min_effect, scores.unseen()),
        few_clients=contest.few_clients,
        num_clients=len(decisive.clients),
        num_seeds=len(decisive.seeds),
        clients=_every_client(decisive) if contest.few_clients else {},
        arms=_table(contest, baseline, scores.unseen()),
        failed=dict(noticed.failed),
        warnings={arm: list(words) for arm, words in noticed.warnings.items()},
        kept=dict(noticed.kept),
    )


def prediction_held(verdict: Verdict) -> bool | None:
    """Say whether the predicted arm is the recommended one, or no worse by more than what matters."""
    if verdict.predicted is None or verdict.recommended is None or verdict.predicted not in verdict.arms:
        return None
    predicted, best = verdict.arms[verdict.predicted].effect, verdict.arms[verdict.recommended].effect
    if predicted is None or best is None:
        return None
    return verdict.predicted == verdict.recommended or best - predicted <= verdict.min_effect


def _effect(contest: Contest, arm: str | None, baseline: str) -> Effect:
    if arm is None or baseline not in contest.scores.arms:
        return NO_EFFECT
    return contest.effect(arm, baseline)


def _nearest(contest: Contest, recommended: str | None) -> dict[str, Any] | None:
    other = contest.nearest(recommended) if recommended else None
    if recommended is None or other is None:
        return None
    effect = contest.effect(recommended, other)
    return {"arm": other, "gap": effect.gap, "interval": (effect.low, effect.high)}


def _hurt(contest: Contest, local: str, keep: Mapping[str, str]) -> dict[str, dict[str, float | None]]:
    def shares(arm: str) -> dict[str, float | None]:
        references = {"local": local, "keep": keep.get(arm, "zero-shot")}
        return {name: finite(contest.hurt(arm, reference)) for name, reference in references.items()}

    return {arm: shares(arm) for arm in contest.scores.arms}


def _every_client(scores: Scores) -> dict[str, dict[str, float | None]]:
    def means(client: int) -> dict[str, float | None]:
        return {arm: finite(nan_mean(scores.of(arm)[:, client])) for arm in scores.arms}

    return {name: means(position) for position, name in enumerate(scores.clients)}


def _table(contest: Contest, baseline: str, unseen: Scores) -> dict[str, ArmScore]:
    def row(arm: str) -> ArmScore:
        effect = _effect(contest, arm, baseline)
        return ArmScore(
            status=contest.status(arm),
            **{name: finite(value) for name, value in contest.summaries[arm]._asdict().items()},
            interval=_pair(*interval(contest.draws[arm], contest.confidence)),
            unseen_mean=finite(nan_mean(unseen.of(arm))),
            effect=finite(effect.gap),
            effect_interval=_pair(effect.low, effect.high),
        )

    return {arm: row(arm) for arm in contest.scores.arms}


def _pair(low: float, high: float) -> Pair | None:
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None
