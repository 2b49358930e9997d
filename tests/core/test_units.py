from __future__ import annotations

import pytest

from headstart.core.units import BYTES, duration, scaled


@pytest.mark.parametrize(
    ("value", "number", "unit"),
    [
        (0, 0, "B"),
        (999, 999, "B"),
        (999.5, 0.9995, "kB"),
        (44_700_000, 44.7, "MB"),
        (999_499, 999.499, "kB"),
        (2e15, 2, "PB"),
        (5e18, 5000, "PB"),
    ],
)
def test_three_digits_before_the_point_at_the_most(value: float, number: float, unit: str) -> None:
    assert scaled(value, BYTES) == (pytest.approx(number), unit)


@pytest.mark.parametrize(
    ("seconds", "digits", "text"),
    [
        (0, 1, "0.0 s"),
        (0.0042, 1, "4.2 ms"),
        (89.9, 1, "89.9 s"),
        (90, 1, "1.5 min"),
        (5399, 0, "90 min"),
        (5400, 1, "1.5 h"),
        (7300, 0, "2 h"),
    ],
)
def test_times_are_said_in_the_unit_that_people_use(seconds: float, digits: int, text: str) -> None:
    assert duration(seconds, digits) == text
