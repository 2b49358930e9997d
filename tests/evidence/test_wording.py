from __future__ import annotations

import pytest

from headstart.evidence import wording
from headstart.evidence.contest import Effect


@pytest.mark.parametrize(
    ("value", "up", "text"),
    [
        (0.00237, False, "0.0024"),
        (0.1612, True, "0.17"),
        (0.16, True, "0.16"),
        (0.0, False, "0"),
        (0.0999, False, "0.1"),
    ],
)
def test_thresholds_have_two_digits_and_round_up_where_they_must_be_reached(value, up, text):
    assert wording._two_digits(value, up=up) == text


@pytest.mark.parametrize(
    ("effect", "text"),
    [
        (Effect(0.05, 0.01, 0.09), "what sharing could still add"),
        (Effect(0.00, -0.01, 0.008), "sharing more has nothing left to add that matters"),
        (Effect(0.02, -0.01, 0.05), "whether sharing could still add anything is open"),
    ],
)
def test_an_oracle_tells_what_room_is_left(effect, text):
    assert wording._room(effect, 0.01) == text


def test_effects_are_better_or_worse():
    assert wording.signed(Effect(0.02, 0, 0)) == "0.020 better"
    assert wording.signed(Effect(-0.02, 0, 0)) == "0.020 worse"
