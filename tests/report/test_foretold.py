from __future__ import annotations

from typing import Any

import pytest

from headstart.report.foretold import gain_lines, until_line, what_held

ARMS = {"ridge": {"family": "federate"}, "ridge-personal": {"family": "both"}, "local": {"family": "fine-tune"}}
CONTRASTS = [
    {"of": of, "over": over, "gap": gap, "scope": scope}
    for scope, more in (("these", 0.0), ("like these", 0.5))
    for of, over, gap in (
        ("federate", "fine-tune", 0.08 + more),
        ("both", "fine-tune", 0.085 + more),
        ("both", "federate", 0.005 + more),
    )
]


def verdict(predicted: str | None, leader: str, held: bool | None, grounds: str = "better") -> dict[str, Any]:
    answer = None if grounds in ("undecided", "no claim") else leader
    numbers = {"metric": "accuracy", "min_effect": 0.02, "grounds": grounds, "scope": "these"}
    names = {"predicted": predicted, "leader": leader, "prediction_held": held, "answer": answer}
    return {**names, **numbers, "arms": ARMS, "contrasts": CONTRASTS}


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (verdict(None, "federate", None), "Nothing was foretold."),
        (verdict("federate", "federate", True), "Federating was foretold, and it is the answer."),
        (verdict("ridge", "federate", True), "Federating was foretold, and it is the answer."),
        (
            verdict("federate", "both", True),
            "Federating was foretold; the answer is doing both, 0.5 points better. It held within the 2 points that "
            "matter.",
        ),
        (
            verdict("both", "federate", True),
            "Doing both was foretold; the answer is federating, 0.5 points worse. It held within the 2 points that "
            "matter.",
        ),
        (
            verdict("fine-tune", "federate", False),
            "Fine-tuning alone was foretold; the answer is federating, 8 points better. It did not hold within the 2 "
            "points that matter.",
        ),
        (
            verdict("federate", "both", True, "undecided"),
            "Federating was foretold; which family is best is open; doing both is ahead so far, 0.5 points better.",
        ),
        (
            verdict("both", "both", True, "undecided"),
            "Doing both was foretold; which family is best is open, and it is ahead so far.",
        ),
        (
            verdict("both", "both", None, "no claim"),
            "Doing both was foretold; whether that held is open, for nothing can be claimed.",
        ),
        (verdict("both", "federate", None), "Doing both was foretold; whether that held cannot be checked."),
        ({"predicted": "ridge"}, "Ridge was foretold; whether that held cannot be checked."),
    ],
)
def test_what_held_is_said_by_family_with_the_difference(found: dict[str, Any], words: str) -> None:
    assert what_held(found) == words


def test_a_loss_is_said_with_its_sign() -> None:
    gain = {"mean": -0.031, "low": -0.08, "high": 0.018, "probability": 0.04}
    (line,) = gain_lines({"gains": {"both": gain}, "metric": "balanced_accuracy", "min_effect": 0.02})
    assert line.startswith(
        "doing both: -3.1 points of balanced accuracy over fine-tuning alone (90 % interval -8 to 1.8)"
    )
    assert "probability 4 %" in line


def test_an_older_prediction_has_no_gains() -> None:
    assert gain_lines({"winner": "ridge"}) == []


@pytest.mark.parametrize(
    ("until", "low", "high", "words"),
    [
        (900, 300, 2500, "sharing pays until about 900 examples"),
        (47000, 2200, None, "until how many examples per client sharing pays is not foreseeable from so few"),
        (7, 0, 29, "no longer pays with as many examples as clients have"),
        (7, 0, 60, "not foreseeable"),
        (0, 0, 0, "no longer pays"),
        (20, 10, 29, "sharing pays until about 20 examples"),
        (None, None, None, "as many examples per client as can be foretold"),
        (None, 900, None, "not foreseeable"),
    ],
)
def test_a_number_is_named_where_its_band_allows(
    until: float | None, low: float | None, high: float | None, words: str
) -> None:
    said = until_line({"until": until, "low": low, "high": high, "examples": 30})
    assert words in said
    assert said.endswith("by squared error of heads on 30 of each")
    assert until_line({}) == ""
