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
    found, there = skew.jensen_shannon(counts), counts.sum(axis=1) > 0
    pool = np.broadcast_to(counts.sum(axis=0), counts[there].shape)
    expected = jensenshannon(counts[there], pool, base=2, axis=1) ** 2
    np.testing.assert_allclose(found[there], np.nan_to_num(expected), atol=1e-12)
    assert ((found[there] >= 0) & (found[there] <= 1)).all()
    assert np.isnan(found[~there]).all()


def test_clients_that_are_nearly_the_pool_have_no_skew():
    counts = 10**6 + np.random.default_rng(0).integers(0, 3, size=(2000, 5))
    np.testing.assert_allclose(skew.jensen_shannon(counts), 0, atol=1e-11)


@settings(max_examples=60, deadline=None)
@given(counts_of)
def test_total_variation_is_the_plain_sum(rows):
    counts = np.array(rows)
    found, there = skew.total_variation(counts), counts.sum(axis=1) > 0
    pool = [counts[:, c].sum() / max(counts.sum(), 1) for c in range(3)]
    expected = [0.5 * sum(abs(row[c] / row.sum() - pool[c]) for c in range(3)) for row in counts[there]]
    assert found[there].tolist() == pytest.approx(expected)
    assert np.isnan(found[~there]).all()


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
