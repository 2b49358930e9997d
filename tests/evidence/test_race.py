from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.evidence.race import Deficit, Out, Race, Taken, beaten, deficit, looks


@given(st.integers(1, 40), st.floats(0.001, 0.5), st.booleans())
def test_looks_spend_the_error_and_no_more(seeds, alpha, screens):
    found = looks(seeds, alpha, screens=screens)
    assert sum(look.alpha for look in found) == pytest.approx(alpha, rel=1e-6)
    assert found[-1].seeds == seeds
    assert len(found) == 1 + (seeds > 3) + screens
    assert [look.seeds for look in found] == sorted(look.seeds for look in found)


def test_seeds_that_one_of_two_arms_lacks_do_not_count():
    best = np.array([[0.9, 0.8], [0.7, 0.6], [math.nan] * 2])
    arm = np.array([[0.8, 0.7], [math.nan] * 2, [0.1, 0.1]])
    assert deficit(best, arm) == pytest.approx(Deficit(0.1, 0.0, 2), abs=1e-9)


def test_one_client_or_none_says_nothing():
    one = np.array([[0.9]])
    assert not deficit(one, one - 0.5).is_beaten
    nothing = np.full((2, 3), math.nan)
    assert math.isnan(deficit(nothing, nothing).mean)


def test_the_best_is_never_beaten_and_those_far_behind_are():
    generator = np.random.default_rng(0)
    noise = 0.01 * generator.standard_normal((3, 2, 12))
    arms = dict(zip("abc", np.array([0.8, 0.9, 0.5])[:, None, None] + noise, strict=True))
    found = beaten(arms, {name: (0.0, 0.0, at) for at, name in enumerate("abc")})
    assert sorted(found) == ["a", "c"]
    assert {ahead for ahead, _ in found.values()} == {"b"}
    assert found["c"][1].mean == pytest.approx(0.4, abs=0.02)


def test_of_equals_the_cheaper_is_ahead_and_none_is_beaten():
    same = np.full((2, 4), 0.5)
    assert beaten({"dear": same, "cheap": same}, {"dear": (9.0, 0.0, 0), "cheap": (1.0, 0.0, 1)}) == {}


def test_a_race_is_said_in_plain_values():
    race = Race(ended="decided", taken=(Taken(3, 0.01, 4, "both"),), out={"local": Out("dropped", 2, "far behind")})
    assert race.as_json() == {
        "until": "decided",
        "ended": "decided",
        "taken": [{"seeds": 3, "alpha": 0.01, "arms": 4, "answer": "both"}],
        "coming": [],
        "out": {"local": {"kind": "dropped", "seeds": 2, "why": "far behind"}},
        "left": [],
        "headroom": None,
    }


@pytest.mark.parametrize(("clients", "most"), [(2, 0.0), (3, 0.06), (4, 0.06), (10, 0.07)])
def test_of_equal_arms_few_are_dropped_however_few_the_clients(clients, most):
    draw = np.random.default_rng(clients)
    scores = draw.binomial(10, 0.7, (2000, 2, 3, clients)) / 10
    dropped = [beaten({"a": one[0], "b": one[1]}, {"a": (0.0, 0.0, 0), "b": (1.0, 0.0, 1)}) for one in scores]
    assert np.mean([bool(found) for found in dropped]) <= most


def test_an_arm_far_behind_at_three_clients_is_dropped():
    ahead = np.array([[0.9, 0.8, 0.85]] * 3)
    assert list(beaten({"a": ahead, "b": ahead - [0.3, 0.28, 0.31]}, {"a": (1.0, 0.0, 0), "b": (0.0, 0.0, 1)})) == ["b"]
