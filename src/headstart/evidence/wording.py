"""A verdict in plain sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from headstart.core.arrays import Array
from headstart.evidence.contest import Contest, Effect
from headstart.evidence.metrics import nan_mean
from headstart.evidence.scores import Scores


def sentence(contest: Contest, recommended: str | None, clear: bool, baseline: str, min_effect: float) -> str:
    """Say what to use and how sure that is."""
    if recommended is None:
        none = "No arm can be recommended: none ran in full, is allowed by the rules and is more than an oracle"
        return f"{none}{_first_failure(contest)}."
    reached = f"mean client {_label(contest.metric)} {contest.summaries[recommended].mean:.3f}"
    against = _against_baseline(contest, recommended, baseline)
    return f"{_opening(contest, recommended, clear, min_effect)}: {reached}, {against}."


def would_change(contest: Contest, recommended: str | None, min_effect: float, unseen: Scores) -> list[str]:
    """Say what would change the answer, the likeliest first."""
    if recommended is None:
        return [*_failed(contest), *_incomplete(contest)]
    return [
        *_failed(contest),
        *_nearest(contest, recommended),
        *_other_min_effect(contest, recommended),
        *_lifted_rules(contest, recommended),
        *_oracles(contest, recommended, min_effect),
        *_held_out(contest, recommended, unseen),
        *_incomplete(contest),
        *_too_little(contest),
    ]


def _label(metric: str) -> str:
    """Return a metric's name in words.

    >>> _label("balanced_accuracy")
    'balanced accuracy'
    """
    return metric.replace("_", " ")


def _signed(effect: Effect) -> str:
    """Say an effect in words.

    >>> _signed(Effect(-0.0312, -0.05, -0.01)), _signed(Effect(0.02, 0, 0.04)), _signed(Effect(0.0, 0, 0))
    ('0.031 worse', '0.020 better', '0.000 better')
    """
    return f"{abs(effect.gap):.3f} {'better' if effect.gap >= 0 else 'worse'}"


def _first_failure(contest: Contest) -> str:
    """Say which arms failed, and why the first did."""
    arms = [arm for arm in contest.scores.arms if contest.status(arm) == "failed"]
    return f"; failed: {', '.join(arms)} ({arms[0]}: {contest.failed[arms[0]]})" if arms else ""


def _opening(contest: Contest, recommended: str, clear: bool, min_effect: float) -> str:
    best = contest.best()
    if len(contest.candidates) == 1:
        return f"{recommended} is the only arm that can be recommended"
    if clear:
        return f"{recommended} is a clear winner"
    if contest.few_clients:
        doubt = f"With {_count(len(contest.scores.clients), 'client')} no significance is claimed"
    else:
        doubt = "No clear winner"
    if recommended == best:
        return f"{doubt}; {recommended} has the best mean, and no cheaper arm is within {min_effect:g} of it"
    return f"{doubt}; {recommended} is the cheapest arm within {min_effect:g} of the best, {best}"


def _against_baseline(contest: Contest, recommended: str, baseline: str) -> str:
    if recommended == baseline:
        return "and it is the baseline itself"
    if baseline in contest.failed:
        return f"with no comparison, for the baseline {baseline} failed ({contest.failed[baseline]})"
    effect = contest.effect(recommended, baseline) if baseline in contest.scores.arms else None
    if effect is None or not math.isfinite(effect.gap):
        reason = contest.ruled_out.get(baseline)
        return f"with no result of the baseline {baseline} to compare" + (f" (ruled out: {reason})" if reason else "")
    return f"{_signed(effect)} than {baseline} ({_between(effect, contest.confidence)})"


def _between(effect: Effect, confidence: float) -> str:
    """Say an interval in words.

    >>> _between(Effect(0.03, 0.01, 0.05), 0.95)
    '95 % interval 0.010 to 0.050'
    """
    return f"{confidence * 100:g} % interval {effect.low:.3f} to {effect.high:.3f}"


def _count(number: int, noun: str) -> str:
    """Say a number of things.

    >>> _count(1, "client"), _count(4, "client")
    ('1 client', '4 clients')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _nearest(contest: Contest, recommended: str) -> list[str]:
    other = contest.nearest(recommended)
    if other is None:
        return []
    effect = contest.effect(other, recommended)
    return [f"The nearest arm is {other}, {_signed(effect)} ({_between(effect, contest.confidence)})."]


def _other_min_effect(contest: Contest, recommended: str) -> list[str]:
    best = contest.best()
    gap = contest.strength(best) - contest.strength(recommended)
    found = []
    if gap > 1e-12:
        # Just below its own gap, the recommended arm no longer counts as near.
        heir = contest.cheapest_within(max(gap * (1 - 1e-6) - 2e-12, 0.0))
        found.append(f"With min_effect below {_two_digits(gap)}, {heir} would be recommended.")
    cheaper = [arm for arm in contest.candidates if contest.cost(arm) < contest.cost(recommended)]
    if cheaper:
        heir = max(cheaper, key=contest.strength)
        needed = contest.strength(best) - contest.strength(heir)
        threshold = _two_digits(needed, up=True)
        found.append(f"With min_effect of {threshold} or more, {heir}, which is cheaper, would be recommended.")
    return found


def _lifted_rules(contest: Contest, recommended: str) -> list[str]:
    found = []
    for arm, reason in contest.ruled_out.items():
        if arm in contest.oracle:
            continue
        effect = contest.effect(arm, recommended) if arm in contest.scores.arms else None
        if effect is None or not math.isfinite(effect.gap):
            found.append(f"{arm} was ruled out and not run ({reason}); what it would score is unknown.")
        elif effect.gap > 0:
            wins = f"{_signed(effect)} than {recommended} ({_between(effect, contest.confidence)})"
            found.append(f"{arm} is ruled out ({reason}); without that rule it would be {wins}.")
    return found


def _oracles(contest: Contest, recommended: str, min_effect: float) -> list[str]:
    found = []
    for arm in contest.scores.arms:
        effect = contest.effect(arm, recommended)
        if arm not in contest.oracle or not math.isfinite(effect.gap):
            continue
        amount = f"{_signed(effect)} than {recommended} ({_between(effect, contest.confidence)})"
        found.append(f"{arm}, an oracle that no real client can run, is {amount}: {_room(effect, min_effect)}.")
    return found


def _room(effect: Effect, min_effect: float) -> str:
    """Say what the effect of an oracle over the recommended arm leaves to add.

    >>> _room(Effect(0.05, 0.01, 0.09), 0.01)
    'what sharing could still add'
    >>> _room(Effect(0.00, -0.01, 0.008), 0.01)
    'sharing more has nothing left to add that matters'
    >>> _room(Effect(0.02, -0.01, 0.05), 0.01)
    'whether sharing could still add anything is open'
    """
    if effect.low > 0:
        return "what sharing could still add"
    if effect.high <= min_effect:
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
    values = f"{means[leader]:.3f} against {means[recommended]:.3f} for {recommended}"
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


def _too_little(contest: Contest) -> list[str]:
    found = []
    if len(contest.scores.seeds) == 1:
        found.append("One seed says nothing of the variation between seeds; no winner is clear before a second.")
    if contest.few_clients:
        clients = _count(len(contest.scores.clients), "client")
        found.append(f"With {clients} an interval describes these clients alone; read them one by one.")
    return found


def _listing(noun: str, names: Sequence[str]) -> str:
    return f"{noun} {names[0]}" if len(names) == 1 else f"{noun}s {', '.join(names)}"


def _two_digits(value: float, *, up: bool = False) -> str:
    """Round to two significant digits, upwards where a threshold must be reached.

    >>> _two_digits(0.00237), _two_digits(0.0999), _two_digits(0.0)
    ('0.0024', '0.1', '0')
    >>> _two_digits(0.1612, up=True), _two_digits(0.16, up=True)
    ('0.17', '0.16')
    """
    if value <= 0:
        return "0"
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    digits = math.ceil(value / unit - 1e-9) if up else round(value / unit)
    return f"{digits * unit:.3g}"
