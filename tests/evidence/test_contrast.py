"""Contrasts against calculations that share no line with them: SciPy's t tests, bootstraps of examples and clients."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from headstart.evidence.contrast import contrast
from headstart.evidence.paired import paired


def drawn(clients: int, examples: int, seeds: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    level = 0.3 * generator.standard_normal((1, clients * examples)) + 0.1
    return level + 0.5 * generator.standard_normal((seeds, clients * examples)), np.repeat(np.arange(clients), examples)


def test_one_client_is_a_paired_t_test():
    values, owner = drawn(1, 40, 1)
    found = contrast(paired(np.repeat(values, 3, axis=0), owner, owner), "these", floor=False)
    test = stats.ttest_1samp(values[0], 0)
    assert (found.df, found.gap / found.se) == pytest.approx((test.df, test.statistic))
    assert found.interval(0.95) == pytest.approx(tuple(test.confidence_interval(0.95)))


def test_clients_like_these_are_a_t_test_over_clients():
    values, owner = drawn(7, 20, 1)
    found = contrast(paired(np.repeat(values, 3, axis=0), owner, owner), "like these", floor=False)
    test = stats.ttest_1samp(values.reshape(7, 20).mean(axis=1), 0)
    assert (found.df, found.gap / found.se) == pytest.approx((test.df, test.statistic))


def test_the_seeds_part_is_a_t_test_over_seeds_where_nothing_else_varies():
    noise = np.array([0.1, 0.3, 0.2, 0.6])
    owner = np.repeat(np.arange(3), 5)
    found = contrast(paired(np.repeat(noise[:, None], 15, axis=1), owner, owner), "these", floor=False)
    test = stats.ttest_1samp(noise, 0)
    assert (found.df, found.gap / found.se) == pytest.approx((test.df, test.statistic))


@pytest.mark.parametrize("by_class", [False, True])
def test_examples_drawn_anew_vary_as_much(by_class):
    values, owner = drawn(4, 60, 3)
    labels = np.arange(240) % 3
    stratum = owner * 3 + labels if by_class else owner
    found = contrast(paired(values, stratum, owner), "these", floor=False)
    generator, means = np.random.default_rng(1), []
    groups = [np.flatnonzero(stratum == one) for one in np.unique(stratum)]
    for _ in range(1500):
        again = np.concatenate([generator.choice(group, len(group)) for group in groups])
        means.append(paired(values[:, again], stratum[again], owner[again]).client_means.mean())
    # A bootstrap's variance lacks the factor n / (n - 1) of each stratum.
    expected = np.var(means) * len(groups[0]) / (len(groups[0]) - 1)
    assert found.sampling == pytest.approx(expected, rel=0.1)


def test_clients_drawn_anew_vary_as_much():
    values, owner = drawn(30, 10, 3)
    means = values.mean(axis=0).reshape(30, 10).mean(axis=1)
    again = np.random.default_rng(1).choice(means, (20_000, 30)).mean(axis=1)
    found = contrast(paired(values, owner, owner), "like these", floor=False)
    assert found.sampling == pytest.approx(again.var() * 30 / 29, rel=0.05)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["these", "like these"]))
def test_seen_from_the_other_arm_only_the_sign_changes(seed, scope):
    values, owner = drawn(4, 6, 3, seed)
    there = contrast(paired(values, owner, owner), scope, floor=True)
    back = contrast(paired(-values, owner, owner), scope, floor=True)
    assert (back.gap, back.se, back.df) == pytest.approx((there.turned().gap, there.se, there.df))
    low, high = there.interval(0.9)
    assert low <= there.gap <= high


def test_strata_of_one_example_take_the_others_variance():
    values = np.array([[0.0, 1.0, 0.0, 1.0, 1.0]] * 3)
    owner = np.array([0, 0, 0, 0, 1])
    found = contrast(paired(values, owner, owner), "these", floor=False)
    assert found.sampling == pytest.approx((1 / 3 / 4 + 1 / 3) / 4)
    assert found.df == pytest.approx((1 / 12 + 1 / 3) ** 2 / ((1 / 12) ** 2 / 3 + (1 / 3) ** 2 / 3))


def test_where_nothing_varies_the_floor_stays():
    values, owner = np.ones((3, 20)), np.repeat(np.arange(2), 10)
    found = contrast(paired(values, owner, owner), "these", floor=True)
    assert (found.gap, found.se, found.df) == pytest.approx((1.0, 1 / 20, 18))
    assert contrast(paired(values, owner, owner), "these", floor=False).se == 0


@pytest.mark.parametrize(
    ("clients", "examples", "seeds", "scope", "claims"),
    [
        (3, 20, 3, "these", True),
        (3, 20, 2, "these", False),
        (3, 20, 1, "these", False),
        (1, 20, 3, "these", True),
        (3, 1, 3, "these", False),
        (3, 1, 3, "like these", True),
        (2, 20, 3, "like these", False),
    ],
)
def test_what_can_be_claimed(clients, examples, seeds, scope, claims):
    values, owner = drawn(clients, examples, seeds)
    found = contrast(paired(values, owner, owner), scope, floor=True)
    assert math.isfinite(found.se) is claims
    assert math.isfinite(found.interval(0.95)[0]) is claims
    assert math.isfinite(found.gap)


def test_a_client_of_one_example_that_is_far_off_widens_the_interval():
    # Two hospitals where hardly any example differs, and one of one example that does.
    generator = np.random.default_rng(0)
    values = np.r_[generator.random(100) < 0.05, True].astype(float) * np.ones((3, 1))
    owner = np.r_[np.repeat([0, 1], 50), 2]
    low, high = contrast(paired(values, owner, owner), "these", floor=True).interval(0.95)
    assert low < 0 < high


def test_tiny_clients_rarely_make_a_false_claim():
    generator, claims = np.random.default_rng(0), 0
    for _ in range(200):
        sizes, gaps = (60, 40, 1), 0.4 * generator.standard_normal(3)
        gaps -= gaps.mean()
        owner = np.repeat(np.arange(3), sizes)
        better = generator.random((3, len(owner))) < 0.6 + gaps[owner] / 2
        worse = generator.random((3, len(owner))) < 0.6 - gaps[owner] / 2
        low, high = contrast(paired(better * 1.0 - worse, owner, owner), "these", floor=True).interval(0.95)
        claims += not low <= 0 <= high
    assert claims <= 30


def test_no_difference_of_right_and_wrong_is_beyond_one():
    values = np.r_[np.zeros(20), np.ones(1)] * np.ones((3, 1))
    owner = np.r_[np.repeat([0, 1], 10), 2]
    found = contrast(paired(values, owner, owner), "these", floor=True)
    assert -1 <= found.interval(0.95)[0] < found.interval(0.95)[1] <= 1
