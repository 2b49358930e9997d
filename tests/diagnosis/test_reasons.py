from __future__ import annotations

from dataclasses import replace
from math import nan

import pytest

from diagnosis.makers import PLAIN, ceiling
from headstart.diagnosis import reasons
from headstart.diagnosis.signals import Signals


@pytest.mark.parametrize(
    ("signals", "part"),
    [
        (PLAIN, "(noise 0.010)"),
        (replace(PLAIN, ceiling=ceiling(0.8, 0.79, 0.8, noise=nan)), "(noise unknown for one client)"),
        (PLAIN, "100 training examples: enough to train a network too"),
        (replace(PLAIN, median_examples=12), "12 training examples: enough for a head, few for a network"),
    ],
)
def test_what_is_known_of_noise_and_size_is_said(signals: Signals, part: str) -> None:
    assert part in reasons.alone(signals)
