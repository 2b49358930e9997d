from __future__ import annotations

import numpy as np
import pytest

from headstart.evidence.bootstrap import interval, mean_draws, resample


def test_draws_equal_a_plain_loop():
    generator = np.random.default_rng(0)
    values = generator.random((3, 5))
    counts = resample(3, 5, draws=20, seed=1)

    def mean(draw: int) -> float:
        seeds = np.repeat(np.arange(3), counts.seeds[draw].astype(int))
        clients = np.repeat(np.arange(5), counts.clients[draw].astype(int))
        return values[np.ix_(seeds, clients)].mean()

    assert mean_draws(values, counts).tolist() == pytest.approx([mean(draw) for draw in range(20)])


def test_same_seed_same_draws():
    assert np.array_equal(resample(3, 5, seed=7).clients, resample(3, 5, seed=7).clients)
    assert not np.array_equal(resample(3, 5, seed=7).clients, resample(3, 5, seed=8).clients)


def test_draws_are_paired_across_arms():
    values = np.random.default_rng(0).random((4, 9))
    counts = resample(4, 9, draws=50)
    difference = mean_draws(values + 0.1, counts) - mean_draws(values, counts)
    np.testing.assert_allclose(difference, 0.1)
    np.testing.assert_allclose(mean_draws(values + 0.1, counts) - difference, mean_draws(values, counts))


def test_missing_cells_carry_no_weight():
    values = np.array([[0.2, np.nan], [0.2, 0.2]])
    draws = mean_draws(values, resample(2, 2, draws=200))
    # A draw that took the missing cell alone has nothing to say.
    assert 0 < np.isnan(draws).sum() < 50
    np.testing.assert_allclose(draws[~np.isnan(draws)], 0.2)
    assert np.isnan(mean_draws(np.full((2, 2), np.nan), resample(2, 2, draws=3))).all()


def test_interval_of_nothing_is_nan():
    assert np.isnan(interval(np.array([np.nan]), 0.95)).all()


def test_intervals_cover_the_truth_when_clients_differ_under_every_seed():
    # Redrawing clients anew in every seed covers the truth here about 83 times in 100.
    generator = np.random.default_rng(5)
    trials, covered = 200, 0
    for trial in range(trials):
        client, noise = 0.05 * generator.standard_normal(20), 0.05 * generator.standard_normal((5, 20))
        seed = 0.01 * generator.standard_normal((5, 1))
        low, high = interval(mean_draws(client + seed + noise, resample(5, 20, draws=400, seed=trial)), 0.95)
        covered += low <= 0 <= high
    assert covered / trials > 0.9
