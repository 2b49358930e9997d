from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.evidence.contest import Contest
from headstart.evidence.scores import Scores


def contest(values: np.ndarray, costs: list[float] | None = None, metric: str = "accuracy") -> Contest:
    arms = tuple(f"arm{i}" for i in range(values.shape[0]))
    clients = tuple(f"c{i}" for i in range(values.shape[2]))
    scores = Scores(arms, tuple(range(values.shape[1])), clients, np.ones(len(clients), dtype=bool), values)
    priced = {arm: {"total_bytes": cost} for arm, cost in zip(arms, costs or [], strict=False)}
    return Contest(scores, metric=metric, confidence=0.9, costs=priced, ruled_out={}, oracle=frozenset())


def random(seed: int, arms: int = 4, seeds: int = 3, clients: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).random((arms, seeds, clients))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.floats(0, 0.3), st.lists(st.integers(0, 3), min_size=4, max_size=4))
def test_the_choice_is_the_cheapest_near_the_best(seed, min_effect, costs):
    found = contest(random(seed), [float(cost) for cost in costs])
    chosen, best = found.cheapest_within(min_effect), found.best()
    assert found.strength(best) - found.strength(chosen) <= min_effect + 1e-9
    near = [arm for arm in found.candidates if found.strength(best) - found.strength(arm) <= min_effect]
    assert found.cost(chosen) == min(map(found.cost, near))
    assert sum(found.probability_best().values()) == pytest.approx(1)
    assert best in found.pareto()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000))
def test_an_effect_turned_round_changes_sign(seed):
    found = contest(random(seed, arms=2))
    there, back = found.effect("arm0", "arm1"), found.effect("arm1", "arm0")
    assert there.gap == pytest.approx(-back.gap)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
    assert there.gap == pytest.approx(found.strength("arm0") - found.strength("arm1"))


def test_losses_are_accuracies_upside_down():
    values = random(1)
    losses, accuracies = contest(values, metric="log_loss"), contest(1 - values)
    assert losses.best() == accuracies.best()
    assert losses.effect("arm0", "arm1") == pytest.approx(accuracies.effect("arm0", "arm1"))
    assert losses.probability_best() == pytest.approx(accuracies.probability_best())


def test_the_front_holds_what_nothing_beats():
    values = np.broadcast_to(np.array([0.5, 0.9, 0.7, 0.6])[:, None, None], (4, 2, 8)).copy()
    assert contest(values, [1.0, 9.0, 5.0, 7.0]).pareto() == ["arm0", "arm2", "arm1"]
    assert contest(values).pareto() == ["arm1"]


def test_a_missing_cost_is_the_dearest():
    values = np.full((2, 2, 8), 0.5)
    assert contest(values, [5.0]).cheapest_within(0.0) == "arm0"


def test_evidence_needs_numpy_alone():
    heavy = "{'torch', 'pandas', 'scipy', 'sklearn', 'pyarrow'} & set(sys.modules)"
    code = f"import sys, headstart.evidence; sys.exit(str({heavy}) if {heavy} else 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
