from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from headstart.evidence.contrast import contrast
from headstart.evidence.each_client import chance_of_hurt, gains_of_clients
from headstart.evidence.outcomes import Outcomes
from headstart.evidence.paired import paired
from known_outcomes import outcomes


def gain_at_one(gain: float, examples: int = 300, seeds: int = 3) -> Outcomes:
    """Two arms as good as each other, but for the first client."""
    found = outcomes({"shared": 0.7, "alone": 0.7}, examples=examples, seeds=seeds)
    better = outcomes({"shared": 0.7, "alone": 0.7 + gain}, examples=examples, seeds=seeds)
    found.predicted[:, :, :examples] = better.predicted[:, :, :examples]
    return found


def test_only_the_client_that_gains_is_advised():
    gains = gains_of_clients(gain_at_one(0.25), "shared", {"fine-tune": "alone"}, 0.95)
    assert [gain.client for gain in gains if gain.sure] == ["c0"]
    assert gains[0].low is not None
    assert gains[0].low > 0.1
    assert [gain.examples for gain in gains] == [300] * 4


def test_numbers_are_those_of_each_client_alone():
    found = gain_at_one(0.1)
    difference = found.scores("alone", "accuracy") - found.scores("shared", "accuracy")
    for at, gain in enumerate(gains_of_clients(found, "shared", {"fine-tune": "alone"}, 0.9)):
        own = difference[:, found.owner == at]
        zeros = np.zeros(own.shape[1], dtype=int)
        expected = contrast(paired(own, zeros, zeros), "these", floor=True)
        assert gain.gain == pytest.approx(expected.gap)
        assert (gain.low, gain.high) == pytest.approx(expected.interval(0.9))


def test_the_p_value_is_the_exact_sign_test_after_holm():
    found = gain_at_one(0.1)
    difference = (found.scores("alone", "accuracy") - found.scores("shared", "accuracy")).mean(axis=0)
    raw = []
    for at in range(4):
        own = difference[found.owner == at]
        up, down = int((own > 1e-9).sum()), int((own < -1e-9).sum())
        raw.append(stats.binomtest(up, up + down).pvalue)
    expected = np.minimum(1, np.maximum.accumulate(np.sort(raw) * np.arange(4, 0, -1)))
    gains = gains_of_clients(found, "shared", {"fine-tune": "alone"}, 0.95)
    assert sorted(gain.p_value for gain in gains) == pytest.approx(expected)


def test_equal_arms_rarely_advise_anyone():
    sure = 0
    for seed in range(60):
        found = outcomes({"shared": 0.7, "alone": 0.7, "mixed": 0.7}, examples=60, clients=6, seed=seed)
        gains = gains_of_clients(found, "shared", {"fine-tune": "alone", "both": "mixed"}, 0.95)
        sure += any(gain.sure for gain in gains)
    assert sure <= 6


def test_few_seeds_give_no_interval():
    assert {gain.low for gain in gains_of_clients(gain_at_one(0.1, seeds=2), "shared", {"f": "alone"}, 0.95)} == {None}


def test_held_out_clients_are_shown_and_marked():
    found = outcomes({"shared": 0.7, "alone": 0.7}, held_out=1)
    gains = gains_of_clients(found, "shared", {"fine-tune": "alone"}, 0.95)
    assert [gain.seen for gain in gains] == [True, True, True, False]


def test_with_one_family_there_is_nothing_to_gain():
    assert gains_of_clients(outcomes({"alone": 0.7}), "alone", {}, 0.95) == ()


def test_chance_hurts_nearly_half():
    found = outcomes({"a": 0.7, "b": 0.7}, clients=200, examples=60, shared=0.5)
    difference = found.scores("a", "accuracy") - found.scores("b", "accuracy")
    hurt = np.mean([difference[:, found.owner == at].mean() < -1e-9 for at in range(200)])
    assert chance_of_hurt(difference, found.owner) == pytest.approx(hurt, abs=0.1)
    assert chance_of_hurt(np.zeros_like(difference), found.owner) == 0


def test_a_run_that_failed_for_one_seed_makes_no_client_sure():
    found = outcomes({"shared": 0.9, "alone": 0.9}, examples=60)
    found.predicted[1, 2, :60] = (found.labels[:60] + 1) % 2
    gains = gains_of_clients(found, "shared", {"fine-tune": "alone"}, 0.95)
    assert gains[0].p_value < 0.05
    assert not gains[0].sure
    assert all(-1 <= bound <= 1 for gain in gains for bound in (gain.low, gain.high))


def test_two_seeds_make_no_client_sure():
    assert not any(gain.sure for gain in gains_of_clients(gain_at_one(0.25, seeds=2), "shared", {"f": "alone"}, 0.95))


def test_seeds_that_an_arm_did_not_run_count_for_nothing():
    found = gain_at_one(0.25, seeds=5)
    found.predicted[found.arms.index("alone"), 3:] = -1
    gains = gains_of_clients(found, "shared", {"f": "alone"}, 0.95)
    assert [gain.sure for gain in gains] == [
        gain.sure for gain in gains_of_clients(gain_at_one(0.25), "shared", {"f": "alone"}, 0.95)
    ]
    assert any(gain.sure for gain in gains)
    difference = found.scores("alone", "accuracy") - found.scores("shared", "accuracy")
    assert chance_of_hurt(difference, found.owner) == chance_of_hurt(difference[:3], found.owner)
