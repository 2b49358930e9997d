from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.core.task import classification
from headstart.evidence.metrics import client_metrics
from headstart.evidence.paired import paired


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 6))
def test_the_mean_over_clients_is_that_of_the_metrics(seed, clients, classes):
    generator = np.random.default_rng(seed)
    owner = np.sort(generator.integers(0, clients, 60))
    labels, predicted = generator.integers(0, classes, 60), generator.integers(0, classes, 60)
    right = (labels == predicted).astype(float)[None]
    found = client_metrics(
        labels, np.eye(classes)[predicted], owner, clients, classification(tuple(map(str, range(classes))))
    )
    for metric, stratum in (("accuracy", owner), ("balanced_accuracy", owner * classes + labels)):
        moments = paired(right, stratum, owner)
        expected = found[metric][np.isfinite(found[metric])]
        assert moments.client_means == pytest.approx(expected)
        assert moments.totals[0] == pytest.approx(expected.mean())
        assert moments.weights.sum() == pytest.approx(1)


def test_moments_are_those_of_the_plain_formulas():
    difference = np.random.default_rng(0).standard_normal((4, 30))
    owner = np.arange(30) % 3
    found = paired(difference, owner, owner)
    for client in range(3):
        own = difference[:, owner == client]
        each = own.mean(axis=0)
        assert found.squares[client] == pytest.approx(((each - each.mean()) ** 2).sum())
        assert found.wobble[client] == pytest.approx(own.var(axis=0, ddof=1).sum())
        assert found.by_seed[:, client] == pytest.approx(own.mean(axis=1))


def test_an_example_that_misses_a_seed_is_left_out():
    difference = np.array([[1.0, 0.0, np.nan], [1.0, np.nan, 1.0]])
    assert paired(difference, np.zeros(3, dtype=int), np.zeros(3, dtype=int)).count.tolist() == [1]


def test_order_changes_nothing():
    generator = np.random.default_rng(0)
    difference, owner = generator.standard_normal((3, 40)), generator.integers(0, 4, 40)
    order = generator.permutation(40)
    one, other = paired(difference, owner, owner), paired(difference[:, order], owner[order], owner[order])
    assert one.mean == pytest.approx(other.mean)
    assert one.squares == pytest.approx(other.squares)
