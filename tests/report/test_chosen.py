from __future__ import annotations

from typing import Any

import pytest

from headstart.report.chosen import why_this_arm


def verdict(grounds: str, arm: str, means: dict[str, tuple[str, float]], **representatives: str) -> dict[str, Any]:
    """A verdict of arms with their family and mean; who stands for a family is named, the first else."""
    families: dict[str, Any] = {}
    for name, (family, _) in means.items():
        families.setdefault(family, {"representative": name, "picked_by": "validation"})
    for family, name in representatives.items():
        families[family]["representative"] = name
    return {
        "grounds": grounds,
        "metric": "accuracy",
        "min_effect": 0.02,
        "recommended": arm,
        "families": families,
        "arms": {
            name: {"status": "candidate", "family": family, "mean": mean} for name, (family, mean) in means.items()
        },
    }


RIDGE, PERSONAL, LDA = ("federate", 0.80), ("both", 0.81), ("federate", 0.805)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (verdict("better", "ridge", {"ridge": RIDGE}), "it is the only arm that may be used"),
        (verdict("better", "lda", {"lda": LDA, "ridge": RIDGE}), "it has the best mean"),
        (
            verdict("good enough", "ridge", {"ridge": RIDGE, "ridge-personal": PERSONAL}),
            "ridge-personal (both) has the better mean, by 1 point; ridge ties with it within 2 points, and is cheaper",
        ),
        (
            verdict("better", "ridge", {"ridge": RIDGE, "lda": LDA}),
            "lda (federate) has the better mean, by 0.5 points; arms are picked on validation data, "
            "so that the test only judges",
        ),
        (
            verdict("better", "ridge", {"ridge": RIDGE, "lda": LDA}, federate="lda"),
            "lda (federate) has the better mean, by 0.5 points; ridge is cheaper than lda and not behind by more "
            "than 2 points",
        ),
        (
            verdict("undecided", "ridge", {"ridge": RIDGE, "ridge-personal": PERSONAL}),
            "ridge-personal (both) has the better mean, by 1 point; which family is best is open, and this one "
            "may be least behind",
        ),
        (
            verdict("better", "ridge", {"ridge": RIDGE, "x": ("both", 0.7), "ridge-personal": PERSONAL}),
            "ridge-personal (both) has the better mean, by 1 point; another arm stands for its family, picked "
            "on validation data",
        ),
    ],
)
def test_the_choice_of_the_arm_is_explained(found: dict[str, Any], words: str) -> None:
    assert why_this_arm(found) == words


def test_an_arm_that_went_out_with_a_better_mean_is_not_passed_over() -> None:
    found = verdict("better", "lda", {"lda": LDA, "ridge": RIDGE})
    found["arms"]["local"] = {"status": "dropped", "family": "fine-tune", "mean": 0.9}
    assert why_this_arm(found) == "it has the best mean of the arms that went on"
