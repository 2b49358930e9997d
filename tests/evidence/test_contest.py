from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.evidence.answer import Rule
from headstart.evidence.contest import Contest
from headstart.evidence.metrics import measure
from headstart.evidence.scores import Scores
from headstart.evidence.sides import Traits, client_units


def contest(values: np.ndarray, costs: list[float] | None = None, metric: str = "accuracy") -> Contest:
    arms = tuple(f"arm{i}" for i in range(values.shape[0]))
    clients = tuple(f"c{i}" for i in range(values.shape[2]))
    scores = Scores(arms, tuple(range(values.shape[1])), clients, np.ones(len(clients), dtype=bool), values)
    priced = {arm: {"total_bytes": cost} for arm, cost in zip(arms, costs or [], strict=False)}
    return Contest(
        scores,
        client_units(scores, metric),
        metric=measure(metric),
        rule=Rule(0.01, 0.9, "like these"),
        costs=priced,
        ruled_out={},
        traits=dict.fromkeys(arms, Traits("federate", from_scratch=False)),
    )


def random(seed: int, arms: int = 4, seeds: int = 3, clients: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).random((arms, seeds, clients))


def test_candidates_share_all_probability_and_the_best_is_on_the_front():
    found = contest(random(3), [1.0, 2.0, 3.0, 4.0])
    assert sum(found.probability_best(found.candidates).values()) == pytest.approx(1)
    assert max(found.candidates, key=found.strength) in found.pareto()


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
    assert losses.effect("arm0", "arm1") == pytest.approx(accuracies.effect("arm0", "arm1"))
    low, high = losses.interval("arm0")
    assert low < losses.summaries["arm0"].mean < high
    assert losses.probability_best(losses.candidates) == pytest.approx(
        accuracies.probability_best(accuracies.candidates)
    )


def test_the_front_holds_what_nothing_beats():
    values = np.broadcast_to(np.array([0.5, 0.9, 0.7, 0.6])[:, None, None], (4, 2, 8)).copy()
    assert contest(values, [1.0, 9.0, 5.0, 7.0]).pareto() == ["arm0", "arm2", "arm1"]
    assert contest(values).pareto() == ["arm1"]


def test_a_missing_cost_is_the_dearest():
    found = contest(np.full((2, 2, 8), 0.5), [5.0])
    assert min(found.candidates, key=found.cost) == "arm0"


def test_evidence_needs_numpy_and_scipy_alone():
    heavy = "{'torch', 'pandas', 'sklearn', 'pyarrow', 'scipy.stats'} & set(sys.modules)"
    code = f"import sys, headstart.evidence; sys.exit(str({heavy}) if {heavy} else 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_interval_of_a_share_ends_at_one():
    values = 1 - 0.02 * random(2) ** 4
    values[0, :, 0] = 0.9
    assert contest(values).interval("arm0")[1] == 1.0
    assert contest(1 - values, metric="log_loss").interval("arm0")[0] == 0.0
