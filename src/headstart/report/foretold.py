"""What was foretold before any training, and what of it held."""

from __future__ import annotations

from headstart.core.plain import finite
from headstart.core.words import listed
from headstart.evidence.answer_words import DOING, amount
from headstart.evidence.metrics import measure_in
from headstart.report.answer import matters
from headstart.report.race import is_going
from headstart.report.run import Json

_WIDEST = 10.0
"""Ends of a band further apart than this, one over the other, name no number."""


def gain_lines(prediction: Json) -> list[str]:
    """Say what sharing should gain, one line a family; none of a prediction from before there were any.

    Args:
        prediction: as ``diagnosis.json`` has it.

    >>> found = {"mean": 0.074, "low": 0.02, "high": 0.128, "probability": 0.94}
    >>> gain_lines({"gains": {"federate": found}, "metric": "accuracy", "min_effect": 0.02})
    ['federating: +7.4 points of accuracy over fine-tuning alone (90 % interval 2 to 12.8); more than 2 points with \
probability 94 %']
    """
    gains: Json = prediction.get("gains") or {}
    return [f"{DOING[family]}: {_gain(found, prediction)}" for family, found in gains.items()]


def not_foretold(probe: Json) -> str:
    """Say why a probe foretells nothing.

    >>> not_foretold({"senders": ["north", "south"]})
    'that takes sums of three clients or more, who have training examples; sums came from north, south'
    """
    senders = [str(name) for name in probe.get("senders") or ()]
    came = f"; sums came from {listed(senders, 5)}" if senders else ""
    return f"that takes sums of three clients or more, who have training examples{came}"


def _gain(found: Json, prediction: Json) -> str:
    mean, low, high = (f"{100 * found[name]:.1f}".removesuffix(".0") for name in ("mean", "low", "high"))
    sign = "" if mean.startswith("-") else "+"
    least = amount(float(prediction["min_effect"]), str(prediction["metric"]))
    return (
        f"{sign}{mean} points of {str(prediction['metric']).replace('_', ' ')} over fine-tuning alone "
        f"(90 % interval {low} to {high}); more than {least} with probability {100 * found['probability']:.0f} %"
    )


def until_line(curves: Json) -> str:
    """Say until how many examples per client sharing pays, or that it cannot be foreseen; empty if not measured.

    >>> until_line({"until": 871.0, "low": 340.0, "high": 2100.0, "examples": 120})
    'sharing pays until about 870 examples per client (90 % band 340 to 2,100), by squared error of heads on 120 of \
each'
    >>> until_line({"until": 871.0, "low": 240.0, "high": None, "examples": 30})
    'until how many examples per client sharing pays is not foreseeable from so few (90 % band 240 to more than \
100,000), by squared error of heads on 30 of each'
    """
    if not curves:
        return ""
    until, low, high = (_about(curves[name]) for name in ("until", "low", "high"))
    by = f"(90 % band {low} to {high}), by squared error of heads on {curves['examples']} of each"
    near = curves["high"] is not None and curves["high"] <= curves["examples"]
    if near and not (foreseeable(curves) and curves["until"]):
        return f"sharing one head no longer pays with as many examples as clients have {by}"
    if not foreseeable(curves):
        return f"until how many examples per client sharing pays is not foreseeable from so few {by}"
    if curves["until"] is None:
        return f"sharing pays for as many examples per client as can be foretold {by}"
    return f"sharing pays until about {until} examples per client {by}"


def foreseeable(curves: Json) -> bool:
    """Say whether the band is narrow enough to name a number: its ends no more than a factor of ten apart.

    >>> [foreseeable({"low": low, "high": high}) for low, high in ((90, 800), (0, 20), (240, None), (None, None))]
    [True, False, False, True]
    """
    low, high = curves["low"], curves["high"]
    return low is None or (high is not None and high <= _WIDEST * low)


def _about(examples: float | None) -> str:
    """Write a number that is rough to two digits."""
    if examples is None:
        return "more than 100,000"
    return f"{float(f'{examples:.2g}'):,.0f}" if examples else "none"


def what_held(verdict: Json) -> str:
    """Say which family was foretold, which came out, and by how much; of no verdict, that.

    Args:
        verdict: with ``predicted`` and ``prediction_held``.

    >>> contrast = {"of": "both", "over": "federate", "gap": 0.013, "scope": "these"}
    >>> what_held({"predicted": "federate", "prediction_held": True, "grounds": "better", "answer": "both",
    ...            "leader": "both", "scope": "these", "contrasts": [contrast], "metric": "accuracy",
    ...            "min_effect": 0.02})
    'Federating was foretold; the answer is doing both, 1.3 points better. It held within the 2 points that matter.'
    """
    predicted = _family(verdict)
    if predicted is None:
        return "Nothing was foretold."
    said = f"{_doing(predicted)[0].upper()}{_doing(predicted)[1:]} was foretold"
    if is_going(verdict):
        return f"{said}; whether that holds is open while the study runs."
    if verdict.get("grounds") == "no claim":
        return f"{said}; whether that held is open, for nothing can be claimed."
    if verdict.get("prediction_held") is None:
        return f"{said}; whether that held cannot be checked."
    held = "It held" if verdict["prediction_held"] else "It did not hold"
    if "grounds" not in verdict:
        return f"{said}. {held}: {verdict.get('recommended')} is the arm to use."
    leader = str(verdict["leader"])
    if verdict["answer"] is None:
        return f"{said}; which family is best is open{_ahead(verdict, predicted, leader)}."
    if predicted == leader:
        return f"{said}, and it is the answer."
    found = f"the answer is {_doing(leader)}{_by(verdict, leader, predicted)}"
    return f"{said}; {found}. {held} within the {matters(verdict)} that matter."


def _family(verdict: Json) -> str | None:
    """Return the family that was foretold; an arm's name stands for its family, or itself where that is not known."""
    predicted = verdict.get("predicted")
    if predicted is None or predicted in DOING:
        return predicted
    family = ((verdict.get("arms") or {}).get(predicted) or {}).get("family")
    return str(family or predicted)


def _ahead(verdict: Json, predicted: str, leader: str) -> str:
    if predicted == leader:
        return ", and it is ahead so far"
    return f"; {_doing(leader)} is ahead so far{_by(verdict, leader, predicted)}"


def _by(verdict: Json, leader: str, predicted: str) -> str:
    for one in verdict.get("contrasts") or ():
        gap = finite(one["gap"])
        if one["scope"] == verdict["scope"] and {one["of"], one["over"]} == {leader, predicted} and gap is not None:
            change = gap if one["of"] == leader else -gap
            return f", {amount(change, measure_in(verdict))} {'better' if change >= 0 else 'worse'}"
    return ""


def _doing(predicted: str) -> str:
    """Return a family in words; an arm's name, which older folders have, as it is."""
    return DOING.get(predicted, predicted)
