from __future__ import annotations

from typing import Any

import pytest

from headstart.report.foretold import what_held

ARMS = {
    "ridge": {"family": "federate", "effect": 0.10},
    "ridge-personal": {"family": "both", "effect": 0.105},
    "local": {"family": "fine-tune", "effect": 0.02},
}


def verdict(predicted: str | None, recommended: str | None, held: bool | None, answer: str | None) -> dict[str, Any]:
    numbers = {"metric": "accuracy", "min_effect": 0.02, "grounds": "better"}
    names = {"predicted": predicted, "recommended": recommended, "prediction_held": held, "answer": answer}
    return {**names, **numbers, "arms": ARMS}


@pytest.mark.parametrize(
    ("found", "parts"),
    [
        (verdict(None, "ridge", None, "federate"), ["No winner was foretold."]),
        (verdict("ridge", None, None, None), ["ridge (federate) was foretold; whether that held cannot be checked."]),
        (
            verdict("ridge", "ridge", True, "federate"),
            ["it is the arm to use", "The family held: the answer is federate."],
        ),
        (
            verdict("ridge", "ridge-personal", True, "both"),
            ["0.5 points better", "The family did not hold: the answer is both.", "The arm held within the 2 points"],
        ),
        (
            verdict("local", "ridge", False, "federate"),
            ["local (fine-tune) was foretold; ridge (federate)", "8 points better", "The arm did not hold within"],
        ),
        (verdict("ridge", "ridge-personal", True, None), ["Which family is best is open."]),
    ],
)
def test_what_held_is_named_with_the_difference(found: dict[str, Any], parts: list[str]) -> None:
    words = what_held(found)
    assert [part for part in parts if part not in words] == []


def test_of_an_older_verdict_the_arm_alone_is_judged() -> None:
    old = {
        "predicted": "ridge",
        "recommended": "lda",
        "prediction_held": False,
        "metric": "log_loss",
        "min_effect": 0.01,
    }
    assert (
        what_held(old)
        == "ridge was foretold; lda is the arm to use. The arm did not hold within the 0.010 that matter."
    )
