"""Metrics of numbers agree with scikit-learn and SciPy, and their parts add up to them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn import metrics as sk

from headstart.core.task import Task
from headstart.evidence.metrics import client_metrics, example_parts, example_values

ONE = Task(kind="regression", outputs=("updrs",), centers=(29.0,), scales=(10.7,))
TWO = Task(kind="regression", outputs=("a", "b"), centers=(0.0, 0.0), scales=(2.0, 0.5))
SHAPES = (st.integers(0, 10**6), st.integers(1, 3), st.integers(2, 50))


def drawn(seed: int, clients: int, rows: int, targets: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, 9, size=(rows, targets)).astype(float)
    said = truth + generator.integers(-3, 4, size=(rows, targets))
    return truth, said, generator.integers(clients, size=rows)


@settings(max_examples=60, deadline=None)
@given(*SHAPES)
def test_every_client_agrees_with_scikit_learn_and_scipy(seed, clients, rows):
    truth, said, owner = drawn(seed, clients, rows)
    found = client_metrics(truth, said, owner, clients, ONE)
    for client in np.unique(owner):
        own, mine = truth[owner == client, 0], said[owner == client, 0]
        assert found["mae"][client] == pytest.approx(sk.mean_absolute_error(own, mine))
        assert found["rmse"][client] == pytest.approx(sk.mean_squared_error(own, mine) ** 0.5)
        if len(np.unique(own)) == 1:
            assert np.isnan([found["r2"][client], found["spearman"][client]]).all()
            continue
        assert found["r2"][client] == pytest.approx(sk.r2_score(own, mine))
        ranks = spearmanr(own, mine).statistic if len(np.unique(mine)) > 1 else 0.0
        assert found["spearman"][client] == pytest.approx(ranks, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(*SHAPES, st.sampled_from(["mae", "rmse", "r2"]), st.sampled_from([ONE, TWO]))
def test_parts_average_to_the_metric(seed, clients, rows, metric, task):
    truth, said, owner = drawn(seed, clients, rows, task.num_outputs)
    parts = example_parts(truth, said, owner, clients, task, metric)
    assert parts is not None
    expected = client_metrics(truth, said, owner, clients, task)[metric]
    for client in np.unique(owner):
        assert parts[owner == client].mean() == pytest.approx(expected[client], nan_ok=True, abs=1e-9)


@pytest.mark.parametrize("metric", ["rmse", "r2"])
def test_parts_have_the_spread_that_redrawing_shows(metric):
    generator, owner = np.random.default_rng(0), np.zeros(400, dtype=int)

    def draw() -> tuple[np.ndarray, np.ndarray]:
        truth = generator.gamma(2.0, size=(400, 1))
        return truth, truth + 0.6 * generator.standard_normal((400, 1))

    seen = [client_metrics(*draw(), owner, 1, ONE, names=[metric])[metric][0] for _ in range(400)]
    told = [np.std(example_parts(*draw(), owner, 1, ONE, metric)) / 20 for _ in range(20)]
    assert np.mean(told) == pytest.approx(np.std(seen), rel=0.1)


def test_errors_of_several_targets_are_in_their_scales():
    found = client_metrics(np.zeros((1, 2)), np.array([[2.0, 0.5]]), np.zeros(1, dtype=int), 1, TWO)
    assert found["mae"][0] == 1.0


def test_a_number_that_is_not_finite_is_no_score_and_a_wrong_order():
    truth, said = np.array([[1.0], [2.0], [3.0]]), np.array([[1.0], [2.0], [np.nan]])
    found = client_metrics(truth, said, np.zeros(3, dtype=int), 1, ONE)
    assert np.isinf([found["mae"][0], found["rmse"][0]]).all()
    assert found["spearman"][0] == pytest.approx(spearmanr([1, 2, 3], [1, 2, 0]).statistic)


def test_examples_say_prediction_and_error_by_target():
    one = example_values(np.array([[1.0]]), np.array([[3.0]]), ONE)
    assert {name: values.tolist() for name, values in one.items()} == {"predicted": [3.0], "error": [2.0]}
    two = example_values(np.zeros((1, 2)), np.ones((1, 2)), TWO)
    assert sorted(two) == ["error.a", "error.b", "predicted.a", "predicted.b"]
