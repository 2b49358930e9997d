from __future__ import annotations

import math

import numpy as np
import pytest

from headstart.diagnosis.heads import LeftOut
from headstart.diagnosis.signals import Lead, Signals


def left_out(local: list[float], shared: list[float], labels: list[int], val: bool = True) -> LeftOut:
    right = np.array([local, shared, shared])
    held = slice(None) if val else slice(0)
    return LeftOut(np.array(labels), right, 1 - right / 2, np.array(labels)[held], right[:, held])


def test_a_lead_is_a_mean_over_examples_or_over_classes() -> None:
    found = left_out([0, 0, 0, 1], [1, 1, 0, 0], [0, 0, 0, 1])
    plain, balanced = (Lead.of(found, "federate", balanced=flag) for flag in (False, True))
    assert (plain.a, plain.v) == (0.25, 0.25)
    assert (balanced.a, balanced.v) == pytest.approx((2 / 3 / 2 - 1 / 2,) * 2)
    assert (plain.q, balanced.q) == pytest.approx((plain.a / 2, balanced.a / 2))
    assert plain.variance == pytest.approx(np.var([1, 1, 0, -1], ddof=1) / 4)


def test_without_validation_examples_there_is_no_lead_on_them() -> None:
    found = Lead.of(left_out([0, 1], [1, 1], [0, 1], val=False), "both", balanced=False)
    assert (found.v, found.a) == (None, 0.5)


def test_of_one_example_the_spread_is_not_known_and_taken_from_others() -> None:
    alone = Lead.of(left_out([0], [1], [0]), "federate", balanced=True)
    assert alone.variance is None
    other = Lead(0.5, 0.1, 0.0, 0.04)
    assert Signals.of([alone, other]).se == pytest.approx(math.sqrt(0.04 / 2 + np.var([1, 0.5], ddof=1) / 2))


def test_one_client_has_the_spread_of_its_examples_alone() -> None:
    found = Signals.of([Lead(0.1, 0.05, None, 0.04)])
    assert (found.a, found.q, found.se) == pytest.approx((0.1, 0.05, 0.2))
    assert math.isnan(found.v)


def test_the_error_says_how_far_repetitions_lie_apart() -> None:
    draw = np.random.default_rng(0)
    found = []
    for _ in range(400):
        leads = []
        for _ in range(8):
            labels = np.arange(40) % 2
            local, shared = (draw.random(40) < level for level in (0.6, 0.7))
            leads.append(
                Lead.of(left_out(local.astype(float).tolist(), shared.tolist(), labels.tolist()), "both", balanced=True)
            )
        found.append(Signals.of(leads))
    spread = np.std([one.a for one in found])
    # Both the choice of examples and of clients are counted: here, where clients are alike, twice the variance.
    assert np.mean([one.se**2 for one in found]) == pytest.approx(2 * spread**2, rel=0.2)
