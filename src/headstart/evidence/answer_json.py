"""The answer as plain values that JSON can say."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from headstart.evidence.answer import Answer, Compared, Rule, Standing
from headstart.evidence.answer_words import headline, needs, subanswer, why_no_claim


def answer_json(answer: Answer, metric: str) -> dict[str, Any]:
    """Return what ``verdict.json`` says of the answer.

    Args:
        answer: to be said.
        metric: of its numbers.
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
        "start_pays": _subanswer(answer.start_pays, rule, metric),
        "share_pays": _subanswer(answer.share_pays, rule, metric),
        "adapt_pays": _subanswer(answer.adapt_pays, rule, metric),
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


def _subanswer(one: Compared | None, rule: Rule, metric: str) -> dict[str, Any]:
    state, words = subanswer(one, rule, metric)
    return {"state": state, "words": words, **(_compared(one, rule) if one else {})}


def _looks(answer: Answer) -> list[dict[str, Any]]:
    """Return when the test was looked at: once, with all the error that is allowed."""
    seeds = max((one.contrast.seeds for one in answer.contrasts), default=0)
    arms = sum(len(standing.arms) for standing in answer.families.values())
    return [{"seeds": seeds, "arms": arms, "alpha": round(1 - answer.rule.confidence, 12), "answer": answer.family}]
