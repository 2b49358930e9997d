"""The C-index agrees with every pair looked at, and its parts with the jackknife."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.core.task import Task
from headstart.evidence.metrics import client_metrics, example_parts

TASK = Task(kind="survival", outputs=("risk",))
SHAPES = (st.integers(0, 10**6), st.integers(1, 3), st.integers(1, 40))


def drawn(seed: int, clients: int, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw times and risks that tie often."""
    generator = np.random.default_rng(seed)
    truth = np.stack([generator.integers(0, 6, rows), generator.random(rows) < 0.6], axis=1).astype(float)
    return truth, generator.integers(0, 5, size=(rows, 1)).astype(float), generator.integers(clients, size=rows)


def naive(truth: np.ndarray, risk: np.ndarray) -> float:
    """Look at every pair, as lifelines' ``concordance_index`` counts them."""
    won = pairs = 0.0
    for a, b in combinations(range(len(truth)), 2):
        (time_a, event_a), (time_b, event_b) = truth[a], truth[b]
        if time_a == time_b:
            if event_a == event_b:
                continue
            first, other = (a, b) if event_a else (b, a)
        else:
            first, other = (a, b) if time_a < time_b else (b, a)
            if not truth[first, 1]:
                continue
        pairs += 1
        won += 0.5 if risk[first] == risk[other] else float(risk[first] > risk[other])
    return won / pairs if pairs else np.nan


@settings(max_examples=80, deadline=None)
@given(*SHAPES)
def test_every_client_agrees_with_all_pairs(seed, clients, rows):
    truth, risk, owner = drawn(seed, clients, rows)
    found = client_metrics(truth, risk, owner, clients, TASK)["c_index"]
    for client in np.unique(owner):
        expected = naive(truth[owner == client], risk[owner == client, 0])
        assert found[client] == pytest.approx(expected, nan_ok=True)


@settings(max_examples=60, deadline=None)
@given(*SHAPES)
def test_parts_average_to_the_index(seed, clients, rows):
    truth, risk, owner = drawn(seed, clients, rows)
    parts = example_parts(truth, risk, owner, clients, TASK, "c_index")
    assert parts is not None
    expected = client_metrics(truth, risk, owner, clients, TASK)["c_index"]
    for client in np.unique(owner):
        assert parts[owner == client].mean() == pytest.approx(expected[client], nan_ok=True)


def test_parts_are_what_leaving_one_out_changes():
    truth, risk, owner = drawn(1, 1, 120)
    parts = example_parts(truth, risk, owner, 1, TASK, "c_index")
    assert parts is not None
    whole = naive(truth, risk[:, 0])
    left_out = np.array([naive(np.delete(truth, at, 0), np.delete(risk[:, 0], at)) for at in range(120)])
    assert parts - whole == pytest.approx(119 * (whole - left_out), abs=0.05)


def test_a_risk_that_is_not_finite_is_certain_and_wrong():
    truth, risk = np.array([[1.0, 1.0], [2.0, 0.0]]), np.array([[np.nan], [-1e9]])
    assert client_metrics(truth, risk, np.zeros(2, dtype=int), 1, TASK)["c_index"][0] == 0.0
