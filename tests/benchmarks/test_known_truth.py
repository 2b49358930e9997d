from __future__ import annotations

import numpy as np
import pytest

from headstart.evidence.power import CLIENTS, EXAMPLES, SEEDS, WITHIN
from known_truth import SCOPES, TRUTHS, cell, draw


@pytest.mark.parametrize("truth", TRUTHS)
def test_intervals_cover_the_truth_and_answers_are_right(truth):
    found = cell(truth, clients=10, examples=60, seeds=5, studies=40, min_effect=0.02)
    for scope in SCOPES:
        tally = found[scope]
        assert tally.covered / tally.intervals > 0.88
        assert tally.wrong <= 4
    if truth != "equal":
        assert found["these"].decided >= 20


def test_the_spreads_are_those_that_power_reckons_with():
    generator, seeds = np.random.default_rng(0), 5
    units, _, _ = draw("equal", 60, 1000, seeds, generator)
    difference = units.values["federate"] - units.values["fine-tune"]
    each = difference.mean(axis=0).reshape(60, 1000)
    assert each.var(axis=1).mean() == pytest.approx(EXAMPLES, rel=0.1)
    assert difference.var(axis=0, ddof=1).mean() == pytest.approx(WITHIN, rel=0.1)
    assert each.mean(axis=1).std() == pytest.approx(CLIENTS, rel=0.4)
    again = [draw("equal", 2, 20_000, seeds, generator)[0].values for _ in range(12)]
    between = [values["both"].mean(axis=1) - values["federate"].mean(axis=1) for values in again]
    assert np.mean([one.var(ddof=1) for one in between]) == pytest.approx(SEEDS**2, rel=0.6)
