from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from diagnosis.makers import PLAIN, ceiling
from headstart.diagnosis.ceiling import UNMEASURED


@pytest.mark.parametrize(
    ("name", "below", "above"),
    [
        ("too_few", {"num_examples": 50}, {"num_examples": 49}),
        ("no_signal", {"ridge_accuracy": 0.12}, {"ridge_accuracy": 0.11}),
        ("no_validation", {}, {"ceiling": UNMEASURED}),
        ("small", {"median_examples": 40}, {"median_examples": 39}),
        ("sharing_pays", {"ceiling": ceiling(0.8, 0.795, 0.8)}, {"ceiling": ceiling(0.8, 0.78, 0.8)}),
        ("personalization_pays", {"ceiling": ceiling(0.8, 0.6, 0.8)}, {"ceiling": ceiling(0.8, 0.6, 0.82)}),
        ("skewed", {"label_skew": 0.19}, {"label_skew": 0.21}),
        ("shifted", {"class_shift": 0.07}, {"class_shift": 0.08}),
        (
            "shifted",
            {"class_shift": 0.01, "class_shift_expected": 0.0},
            {"class_shift": 0.02, "class_shift_expected": 0.0},
        ),
    ],
)
def test_each_signal_has_its_threshold(name: str, below: dict[str, Any], above: dict[str, Any]) -> None:
    assert [getattr(replace(PLAIN, **changes), name) for changes in (below, above)] == [False, True]
