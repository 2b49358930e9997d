"""The answer as plain values that JSON can say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, get_args

from headstart.evidence.answer import Answer, Compared, Rule, Standing
from headstart.evidence.answer_words import headline, needs, subanswer, why_no_claim
from headstart.evidence.lost_sides import Asked, lost_side
from headstart.evidence.metrics import Measure
from headstart.evidence.race import Race
from headstart.evidence.sides import Traits


def answer_json(
    answer: Answer, metric: Measure | str, race: Race | None = None, traits: Mapping[str, Traits] | None = None
) -> dict[str, Any]:
    """Return what ``verdict.json`` says of the answer.

    Args:
        answer: to be said.
        metric: of its numbers.
        race: of the arms; None without one.
        traits: what every arm is.
    """
    rule = answer.rule
    return {
        "answer": answer.family,
        "grounds": answer.grounds,
        "headline": headline(answer),
        "no_claim": why_no_claim(answer) if answer.grounds == "no claim" else None,
        "leader": answer.leader,
        "scope": rule.scope,
        "families": {name: _standing(standing) for name, standing in answer.families.items()},
        "absent": {name: one.why for name, one in answer.absent.items()},
        "contrasts": [_compared(one, rule) for one in answer.contrasts],
        **{asked: _subanswer(asked, answer, metric, race, traits or {}) for asked in get_args(Asked)},
        "expected_regret": answer.expected_regret,
        "regret_upper": answer.regret_upper,
        "needed": answer.needed and {**asdict(answer.needed), "words": needs(answer.needed, rule.scope)},
        "decided_at": answer.decided_at,
        "looks": _looks(answer),
    }


def _standing(standing: Standing) -> dict[str, Any]:
    return {**asdict(standing), "arms": list(standing.arms), "excluded_by": list(standing.excluded_by)}


def _compared(one: Compared, rule: Rule) -> dict[str, Any]:
    found, (low, high) = one.contrast, one.contrast.interval(rule.confidence)
    sides = {"of": one.of, "over": one.over, "arm": one.arm, "over_arm": one.over_arm}
    numbers = {"gap": found.gap, "se": found.se, "df": found.df, "low": low, "high": high}
    counts = {"clients": found.clients, "examples": found.examples, "seeds": found.seeds, "scope": found.scope}
    return {**sides, **numbers, **counts}


def _subanswer(
    asked: Asked, answer: Answer, metric: Measure | str, race: Race | None, traits: Mapping[str, Traits]
) -> dict[str, Any]:
    found: Compared | None = getattr(answer, asked)
    if found is None:
        state, words = lost_side(asked, answer, race, traits)
        return {"state": state, "words": words}
    said, numbers = subanswer(found, answer.rule, metric), _compared(found, answer.rule)
    return {"state": said[0], "words": said[1], **numbers}


def _looks(answer: Answer) -> list[dict[str, Any]]:
    """Return when the test was looked at: once, with all the error that is allowed; never where nothing is claimed."""
    if answer.grounds == "no claim":
        return []
    seeds = max((one.contrast.seeds for one in answer.contrasts), default=0)
    arms = sum(len(standing.arms) for standing in answer.families.values())
    return [{"seeds": seeds, "arms": arms, "alpha": round(1 - answer.rule.confidence, 12), "answer": answer.family}]
