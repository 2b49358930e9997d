from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from headstart.diagnosis import skew

counts_of = st.lists(st.lists(st.integers(0, 20), min_size=3, max_size=3), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(counts_of)
def test_jensen_shannon_agrees_with_scipy(rows):
    counts = np.array(rows)
    found = skew.jensen_shannon(counts)
    for client, row in enumerate(counts):
        if row.sum():
            expected = jensenshannon(row, counts.sum(axis=0), base=2) ** 2
            assert found[client] == pytest.approx(np.nan_to_num(expected), abs=1e-9)
            assert 0 <= found[client] <= 1
        else:
            assert np.isnan(found[client])


@settings(max_examples=60, deadline=None)
@given(counts_of)
def test_total_variation_is_the_plain_sum(rows):
    counts = np.array(rows)
    found = skew.total_variation(counts)
    for client, row in enumerate(counts):
        if row.sum():
            expected = 0.5 * sum(abs(row[c] / row.sum() - counts[:, c].sum() / counts.sum()) for c in range(3))
            assert found[client] == pytest.approx(expected)


def test_disjoint_clients_are_as_skewed_as_can_be():
    counts = 10 * np.eye(4, dtype=int)
    np.testing.assert_allclose(skew.total_variation(counts), 0.75)


def test_chance_variation_is_what_random_dealing_shows_and_shrinks_with_size():
    generator = np.random.default_rng(0)
    dealt = skew.class_counts([generator.integers(10, size=20) for _ in range(200)], 10)
    assert skew.chance_variation(dealt) == pytest.approx(skew.total_variation(dealt).mean(), abs=0.01)
    assert skew.chance_variation(dealt * 100) < 0.05
    assert skew.chance_variation(np.array([[3, 3], [0, 0]])) == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=8).filter(any))
def test_gini_is_the_mean_absolute_difference(sizes):
    values = np.array(sizes)
    expected = np.abs(values[:, None] - values[None]).mean() / (2 * values.mean())
    assert skew.gini(values) == pytest.approx(expected, abs=1e-12)


def test_classes_that_nobody_has_are_not_missing():
    assert skew.missing_classes(np.array([[2, 0, 0], [0, 3, 0]])) == [[1], [0]]
