from __future__ import annotations

import pytest

from known_race import cell
from known_truth import TRUTHS


@pytest.mark.parametrize("truth", TRUTHS)
def test_a_race_is_right_and_takes_less_work(truth):
    found = cell(truth, clients=10, examples=60, races=12)
    assert found.wrong <= 1
    assert found.same >= 7
    assert found.work < 0.8 * found.races


def test_deep_arms_of_a_family_that_is_far_behind_are_screened():
    screened, run = (cell("share +10", clients=10, examples=60, races=6, headroom=value) for value in (0.02, None))
    assert screened.work < 0.9 * run.work
    assert screened.wrong == 0
