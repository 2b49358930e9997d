"""What stands beside an answer, in plain sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from headstart.core.arrays import Array
from headstart.evidence.answer import Rule
from headstart.evidence.answer_words import amount
from headstart.evidence.contest import Contest, Effect
from headstart.evidence.metrics import Measure, measure, nan_mean
from headstart.evidence.race import Race
from headstart.evidence.scores import Scores


def would_change(contest: Contest, recommended: str | None, unseen: Scores) -> list[str]:
    """Say what would change the answer, the likeliest first."""
    if recommended is None:
        return [*_failed(contest), *_incomplete(contest)]
    return [
        *_failed(contest),
        *_nearest(contest, recommended),
        *_lifted_rules(contest, recommended),
        *_references(contest, recommended),
        *_held_out(contest, recommended, unseen),
        *_incomplete(contest),
    ]


def not_all_ran(contest: Contest, race: Race | None = None) -> list[str]:
    """Say which arms of the study have no result though nothing rules them out: the answer is among the others."""
    if race and race.ended is None:
        return []
    arms = [arm for arm in contest.scores.arms if contest.status(arm) == "not run"]
    return (
        [f"Not every arm of the study has run ({', '.join(arms)}): the answer is among those that have."]
        if arms
        else []
    )


def without_baseline(contest: Contest, baseline: str) -> list[str]:
    """Say why nothing is compared with the baseline, where that is so."""
    if baseline in contest.failed:
        return [f"There is no comparison with the baseline {baseline}, which failed ({contest.failed[baseline]})."]
    if baseline in contest.scores.arms and np.isfinite(contest.scores.of(baseline)).any():
        return []
    reason, out = contest.ruled_out.get(baseline), contest.out.get(baseline)
    why = f" (ruled out: {reason})" if reason else f" ({out.kind}: {out.why})" if out else ""
    return [f"There is no result of the baseline {baseline} to compare{why}."]


def _signed(effect: Effect, metric: Measure | str) -> str:
    """Say an effect in words.

    >>> _signed(Effect(-0.0312, -0.05, -0.01), "accuracy"), _signed(Effect(0.02, 0, 0.04), "log_loss")
    ('3.1 points worse', '0.020 nats better')
    """
    return f"{amount(effect.gap, metric)} {'better' if effect.gap >= 0 else 'worse'}"


def _between(effect: Effect, confidence: float, metric: Measure | str) -> str:
    """Say an interval in words; nothing where there is none.

    >>> _between(Effect(0.03, 0.01, 0.05), 0.95, "accuracy"), _between(Effect(0.03, math.nan, math.nan), 0.95, "mae")
    (' (95 % 1.0 to 5.0)', '')
    """
    if not math.isfinite(effect.low):
        return ""
    number = measure(metric).number
    return f" ({confidence * 100:g} % {number(effect.low)} to {number(effect.high)})"


def _count(number: int, noun: str) -> str:
    """Say a number of things.

    >>> _count(1, "client"), _count(4, "client")
    ('1 client', '4 clients')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _said(contest: Contest, effect: Effect, than: str = "") -> str:
    of, confidence = contest.metric, contest.rule.confidence
    return f"{_signed(effect, of)}{than}{_between(effect, confidence, of)}"


def _nearest(contest: Contest, recommended: str) -> list[str]:
    other = contest.nearest(recommended)
    if other is None:
        return []
    effect = contest.effect(other, recommended)
    return [f"The nearest arm is {other}, {_said(contest, effect)}."]


def _lifted_rules(contest: Contest, recommended: str) -> list[str]:
    found = []
    for arm, reason in contest.ruled_out.items():
        if contest.is_reference(arm):
            continue
        effect = contest.effect(arm, recommended) if arm in contest.scores.arms else None
        if effect is None or not math.isfinite(effect.gap):
            found.append(f"{arm} was ruled out and not run ({reason}); what it would score is unknown.")
        elif effect.gap > 0:
            wins = _said(contest, effect, f" than {recommended}")
            found.append(f"{arm} is ruled out ({reason}); without that rule it would be {wins}.")
    return found


def _references(contest: Contest, recommended: str) -> list[str]:
    found = []
    for arm in contest.scores.arms:
        effect = contest.effect(arm, recommended)
        if not contest.is_reference(arm) or not math.isfinite(effect.gap):
            continue
        much = _said(contest, effect, f" than {recommended}")
        found.append(f"{arm}, a reference that no real client can run, is {much}: {_room(effect, contest.rule)}.")
    return found


def _room(effect: Effect, rule: Rule) -> str:
    """Say what the effect of a reference over the recommended arm leaves to add.

    >>> rule = Rule(0.01, 0.95, "these")
    >>> _room(Effect(0.05, 0.01, 0.09), rule)
    'what sharing could still add'
    >>> _room(Effect(0.00, -0.01, 0.008), rule)
    'sharing more has nothing left to add that matters'
    >>> _room(Effect(-0.05, -0.09, -0.01), rule)
    'it is beaten, and bounds nothing'
    >>> _room(Effect(0.02, -0.01, 0.05), rule)
    'whether sharing could still add anything is open'
    """
    if effect.low > 0:
        return "what sharing could still add"
    if effect.high < 0:
        return "it is beaten, and bounds nothing"
    if effect.high <= rule.min_effect:
        return "sharing more has nothing left to add that matters"
    return "whether sharing could still add anything is open"


def _held_out(contest: Contest, recommended: str, unseen: Scores) -> list[str]:
    if not unseen.clients or unseen.clients == contest.scores.clients:
        return []
    means = {arm: nan_mean(unseen.of(arm)) for arm in contest.candidates}
    means = {arm: mean for arm, mean in means.items() if math.isfinite(mean)}
    leader = max(means, key=lambda arm: contest.sign * means[arm], default=recommended)
    if recommended not in means or leader == recommended:
        return []
    written = contest.metric.written
    values = f"{written(means[leader])} against {written(means[recommended])} for {recommended}"
    return [f"On {_count(len(unseen.clients), 'held-out client')} {leader} has the best mean: {values}."]


def _failed(contest: Contest) -> list[str]:
    arms = [arm for arm in contest.scores.arms if contest.status(arm) == "failed"]
    return [f"{arm} is compared with nothing ({contest.failed[arm]}); trained well, it might win." for arm in arms]


def _incomplete(contest: Contest) -> list[str]:
    expected = np.isfinite(contest.scores.values).any(axis=0)
    found = []
    for arm in contest.scores.arms:
        if contest.status(arm) == "not run":
            found.append(f"{arm} has no result: it cannot be recommended.")
        if contest.status(arm) == "incomplete":
            missing: Array = np.any(expected & ~np.isfinite(contest.scores.of(arm)), axis=1)
            seeds = [str(seed) for seed, lacks in zip(contest.scores.seeds, missing, strict=True) if lacks]
            found.append(f"{arm} lacks results for {_listing('seed', seeds)}: it is shown and cannot be recommended.")
    return found


def _listing(noun: str, names: Sequence[str]) -> str:
    return f"{noun} {names[0]}" if len(names) == 1 else f"{noun}s {', '.join(names)}"
