"""What the rounds of an arm promise a client."""

import pytest

from headstart.costs.privacy import Privacy, privacy_of
from headstart.federate import METHODS
from headstart.training.accountant import Releases, epsilon_of


def method(**settings: float) -> object:
    return METHODS["fedavg"].build(settings)


def test_an_arm_without_noise_promises_nothing_and_says_nothing() -> None:
    assert privacy_of([], 10) is None
    assert privacy_of([method(), method(clip_norm=1.0)], 10) is None


def test_an_arm_promises_what_its_stages_do_together_and_all_its_trials_less() -> None:
    noisy = method(rounds=20, cohort_size=10, clip_norm=1.0, noise_multiplier=1.0)
    found = privacy_of([noisy, noisy], 100, runs=4)
    assert found is not None
    assert found.epsilon == pytest.approx(epsilon_of([Releases(40, 0.1, 1.0)], 1e-5))
    assert found.all_runs == pytest.approx(epsilon_of([Releases(160, 0.1, 1.0)], 1e-5))
    assert found.as_json() == {**vars(found)}
    assert (found.delta, found.clients, found.runs) == (1e-5, 100, 4)


def test_a_cohort_of_more_than_all_is_all() -> None:
    found = privacy_of([method(rounds=4, cohort_size=50, clip_norm=1.0, noise_multiplier=2.0)], 10)
    assert found is not None
    assert found.epsilon == pytest.approx(epsilon_of([Releases(4, 1.0, 2.0)], 1e-5))


def test_a_stage_without_noise_leaves_no_number() -> None:
    noisy = method(rounds=2, clip_norm=1.0, noise_multiplier=1.0)
    assert privacy_of([noisy, METHODS["ridge"].build({})], 10) == Privacy(None, 1e-5, 10, 1, None)


def test_a_server_that_sees_single_updates_is_promised_of_less() -> None:
    noisy = method(rounds=4, clip_norm=1.0, noise_multiplier=6.0)
    found = privacy_of([noisy], 9, lost=0.5)
    assert found is not None
    assert found.epsilon == pytest.approx(epsilon_of([Releases(4, 1.0, 6.0)], 1e-5))
    # Five of nine answer at least.
    assert found.to_server == pytest.approx(epsilon_of([Releases(4, 1.0, 6.0 / 5**0.5)], 1e-5))
