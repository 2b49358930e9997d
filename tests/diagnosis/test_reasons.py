from __future__ import annotations

from headstart.diagnosis.reasons import reasons
from headstart.diagnosis.shift import Shift


def said(skewed: float = 0.1, shift: float = 0.05, accuracy: float = 0.8, *, pretrained: bool = True) -> str:
    skew = {"total_variation": skewed, "expected": 0.1}
    backbone = {"ridge_accuracy": accuracy, "majority": 0.3}
    return " ".join(reasons(skew, Shift(0.1, shift, 0.1, 0.05), backbone, 500, pretrained=pretrained))


def test_what_stands_out_is_said_with_its_numbers() -> None:
    assert "Labels are skewed: 0.40" in said(skewed=0.4)
    assert "looks different from client to client: shift 0.20" in said(shift=0.2)
    assert "already reaches 0.80" in said()
    assert "reaches 0.31, no better than guessing the largest class (0.30)" in said(accuracy=0.31)


def test_what_does_not_stand_out_is_not_said() -> None:
    assert said(pretrained=False) == ""
