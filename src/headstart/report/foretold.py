"""What was foretold before any training, and what of it held."""

from __future__ import annotations

from typing import Any

from headstart.core.plain import finite
from headstart.evidence.answer_words import amount
from headstart.report.answer import matters
from headstart.report.chosen import named
from headstart.report.race import is_going
from headstart.report.run import Json


def what_held(verdict: Json) -> str:
    """Say which arm and family were foretold, which came out, and by how much; of no verdict, that.

    Args:
        verdict: with ``predicted`` and ``prediction_held``.

    >>> arms = {"ridge": {"family": "federate", "effect": 0.1}, "lda": {"family": "federate", "effect": 0.113}}
    >>> what_held({"predicted": "ridge", "recommended": "lda", "arms": arms, "metric": "accuracy", "min_effect": 0.02,
    ...            "prediction_held": True, "grounds": "better", "answer": "federate"})
    'ridge (federate) was foretold; lda (federate) is the arm to use, 1.3 points better. The family held: the answer \
is federate. The arm held within the 2 points that matter.'
    """
    predicted, arm = verdict.get("predicted"), verdict.get("recommended")
    if predicted is None:
        return "No winner was foretold."
    if is_going(verdict):
        return f"{named(verdict, predicted)} was foretold; whether that holds is open while the study runs."
    if not verdict or arm is None or verdict.get("prediction_held") is None:
        return f"{named(verdict, predicted)} was foretold; whether that held cannot be checked."
    if verdict.get("grounds") == "no claim":
        return f"{named(verdict, predicted)} was foretold; whether that held is open, for nothing can be claimed."
    if predicted == arm:
        return f"{named(verdict, predicted)} was foretold, and it is the arm to use.{_family_held(verdict, predicted)}"
    return (
        f"{named(verdict, predicted)} was foretold; {named(verdict, arm)} is the arm to use{_by(verdict)}."
        f"{_family_held(verdict, predicted)} {_arm_held(verdict)}"
    )


def _by(verdict: Json) -> str:
    arms = verdict.get("arms") or {}
    ahead, behind = (finite((arms.get(verdict[key]) or {}).get("effect")) for key in ("recommended", "predicted"))
    if ahead is None or behind is None:
        return ""
    change = ahead - behind
    return f", {amount(change, str(verdict['metric']))} {'better' if change >= 0 else 'worse'}"


def _family_held(verdict: Json, predicted: Any) -> str:
    own = ((verdict.get("arms") or {}).get(predicted) or {}).get("family")
    if own is None or "grounds" not in verdict:
        return ""
    if verdict["answer"] is None:
        return " Which family is best is open."
    held = "held" if verdict["answer"] == own else "did not hold"
    return f" The family {held}: the answer is {verdict['answer']}."


def _arm_held(verdict: Json) -> str:
    within = f" within the {least} that matter" if (least := matters(verdict)) else ""
    return f"The arm {'held' if verdict['prediction_held'] else 'did not hold'}{within}."
