from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from diagnosis.makers import PLAIN, ceiling
from headstart.diagnosis.ceiling import UNMEASURED
from headstart.diagnosis.predict import DECIDING, EXPLAINING, STANDARD_SLATE, predict

NAN = float("nan")


@pytest.mark.parametrize(
    ("changes", "winner", "scratch"),
    [
        ({"num_examples": 30}, "zero-shot", "ridge"),
        ({"ridge_accuracy": 0.11}, "fedavg-finetune", "fedavg-finetune"),
        ({"ceiling": UNMEASURED}, "fedavg-finetune", "fedavg-finetune"),
        ({"ceiling": ceiling(0.6, 0.8, 0.8)}, "finetune-lp-ft", "local"),
        ({"ceiling": ceiling(0.6, 0.8, 0.8), "median_examples": 12}, "finetune-head", "local"),
        ({"ceiling": ceiling(0.8, 0.7, 0.9)}, "fedavg-finetune", "fedavg-finetune"),
        ({"ceiling": ceiling(0.8, 0.7, 0.9), "median_examples": 12}, "ridge-personal", "ridge-personal"),
        ({"median_examples": 12}, "ridge", "ridge"),
        ({}, "ridge-fedadam", "ridge"),
    ],
)
def test_each_deciding_rule(changes: dict[str, Any], winner: str, scratch: str):
    signals = replace(PLAIN, **changes)
    assert predict(signals).winner == winner
    assert predict(replace(signals, pretrained=False)).winner == scratch


def test_a_gain_within_the_noise_is_no_gain():
    assert predict(replace(PLAIN, ceiling=ceiling(0.8, 0.79, 0.8, noise=0.02))).winner == "finetune-lp-ft"
    assert predict(replace(PLAIN, ceiling=ceiling(0.8, 0.79, 0.8, noise=NAN))).winner == "finetune-lp-ft"


def test_only_allowed_arms_win():
    assert predict(PLAIN, ["fedavg-finetune", "ridge"]).winner == "fedavg-finetune"
    assert predict(PLAIN, ["mine"]).winner is None


def test_reasons_say_the_numbers_and_rules_their_source():
    found = predict(replace(PLAIN, label_skew=0.62, class_shift=0.4))
    assert "0.800 against 0.600 alone (noise 0.010)" in found.reasons[0]
    assert "The median client has 100 training examples" in found.reasons[0]
    assert any("0.62" in reason and "chance alone: 0.10" in reason for reason in found.reasons)
    assert any("shift 0.40 within classes" in reason for reason in found.reasons)
    assert len(found.rules) == len(found.reasons) == 4
    assert found.rules[0].startswith("FedCOF (Goswami et al., NeurIPS 2025)")


def test_skew_that_chance_explains_is_no_reason():
    assert not any(
        "skewed" in reason for reason in predict(replace(PLAIN, label_skew=0.25, label_skew_expected=0.25)).reasons
    )


@pytest.mark.parametrize("position", range(len(DECIDING)))
@pytest.mark.parametrize("start", ["pretrained", "scratch"])
def test_deciding_rules_name_arms_of_the_slate(position: int, start: str):
    expected = getattr(DECIDING[position], start)
    assert expected
    assert set(expected) <= set(STANDARD_SLATE)


@pytest.mark.parametrize("source", [rule.source for rule in (*DECIDING, *EXPLAINING)])
def test_rules_rest_on_a_paper_or_a_repository(source: str):
    assert "20" in source or "repository" in source
