"""The epsilon of rounds: published numbers, closed forms, and what it must not get wrong."""

import math

import pytest

from headstart.costs.privacy import NoisyRounds, Privacy, delta_for, epsilon_of, events_of, gaussian_epsilon, privacy_of
from headstart.federate import METHODS


def method(**settings: float) -> object:
    return METHODS["fedavg"].build(settings)


@pytest.mark.parametrize(
    ("stage", "delta", "published"),
    [
        # 10,000 examples, 64 at a time, 5 epochs, noise 2.0 on what adds up to twice the clip (microbatches).
        (NoisyRounds(782, 64 / 10_000, 1.0), 1e-6, 1.199),
        # A hundredth at a time, noise 0.7, 1.2 epochs; the same without sampling, where 1.2 epochs are two passes.
        (NoisyRounds(120, 0.01, 0.7), 1e-5, 2.4612381),
        (NoisyRounds(2, 1.0, 0.7), 1e-5, 10.1224946),
    ],
)
def test_published_numbers_are_found_again(stage: NoisyRounds, delta: float, published: float) -> None:
    """TensorFlow Privacy, privacy/analysis/compute_dp_sgd_privacy_test.py: what its report says under PLD accounting.

    https://github.com/tensorflow/privacy/blob/943ef91ee932207f22e3840753e0d5b1dd07d503/tensorflow_privacy/privacy/analysis/compute_dp_sgd_privacy_test.py
    """
    assert epsilon_of([stage], delta) == pytest.approx(published, rel=0.002)


@pytest.mark.parametrize(("noise", "epochs", "published"), [(1.12, 60, 2.92), (0.6, 30, 9.74), (1.2, 10, 1.20)])
def test_older_bounds_are_above_it(noise: float, epochs: int, published: float) -> None:
    """TensorFlow Privacy's tutorial on MNIST, batches of 256 of 60,000 examples: Rényi accounting gives away a fifth.

    https://github.com/tensorflow/privacy/blob/master/tutorials/README.md, "Select Parameters".
    """
    found = epsilon_of([NoisyRounds(epochs * 60_000 // 256, 256 / 60_000, noise)], 1e-5)
    assert 0.6 * published < found < published


@pytest.mark.parametrize(("rounds", "share", "noise"), [(20, 0.5, 2.0), (30, 0.1, 1.5)])
def test_the_grid_is_fine_enough_and_errs_on_the_safe_side(rounds: int, share: float, noise: float) -> None:
    from dp_accounting.pld import PLDAccountant

    stage = NoisyRounds(rounds, share, noise)
    fine = PLDAccountant(value_discretization_interval=5e-5).compose(events_of([stage])).get_epsilon(1e-5)
    assert fine * (1 - 1e-6) <= epsilon_of([stage], 1e-5) <= fine * 1.005


def test_where_all_take_part_it_is_exact_and_close_to_what_sampling_nearly_all_gives() -> None:
    from dp_accounting import get_epsilon_gaussian

    full = epsilon_of([NoisyRounds(25, 1.0, 10.0)], 1e-5)
    assert full == pytest.approx(get_epsilon_gaussian(2.0, 1e-5), rel=1e-9)
    assert epsilon_of([NoisyRounds(25, 0.999, 10.0)], 1e-5) == pytest.approx(full, rel=0.01)


def test_more_noise_fewer_rounds_and_fewer_clients_a_round_promise_more() -> None:
    base = epsilon_of([NoisyRounds(50, 0.2, 1.0)], 1e-5)
    for better in (NoisyRounds(50, 0.2, 1.2), NoisyRounds(40, 0.2, 1.0), NoisyRounds(50, 0.1, 1.0)):
        assert epsilon_of([better], 1e-5) < base


def test_stages_add_up_and_one_without_noise_promises_nothing() -> None:
    one = NoisyRounds(30, 0.1, 1.0)
    assert epsilon_of([one, one], 1e-5) == pytest.approx(epsilon_of([NoisyRounds(60, 0.1, 1.0)], 1e-5))
    both = epsilon_of([one, NoisyRounds(10, 1.0, 8.0)], 1e-5)
    assert epsilon_of([one], 1e-5) < both
    assert epsilon_of([one, NoisyRounds(5, 0.1, 0.0)], 1e-5) == math.inf
    assert epsilon_of([], 1e-5) == 0


@pytest.mark.parametrize("noise", [0.02, 0.3, 100.0])
def test_any_noise_has_a_number(noise: float) -> None:
    assert 0 < epsilon_of([NoisyRounds(20, 0.1, noise)], 1e-5) < math.inf


@pytest.mark.parametrize("noise", [1e-300, 1e-9, 0.019])
def test_noise_that_is_next_to_none_promises_nothing(noise: float) -> None:
    assert epsilon_of([NoisyRounds(20, 0.1, noise)], 1e-5) == math.inf
    assert epsilon_of([NoisyRounds(20, 1.0, noise)], 1e-5) == math.inf
    assert gaussian_epsilon([1e-300], 1e-5) == math.inf


@pytest.mark.parametrize("stage", [NoisyRounds(20, 0.1, 1e9), NoisyRounds(1, 1e-6, 1.0), NoisyRounds(5, 1.0, 1e12)])
def test_noise_that_hides_everything_has_an_epsilon_of_about_nothing(stage: NoisyRounds) -> None:
    assert 0 <= epsilon_of([stage], 1e-5) < 0.01


@pytest.mark.parametrize(("clients", "delta"), [(1, 1e-5), (1000, 1e-5), (763_430, 763_430**-1.1)])
def test_delta_is_far_below_one_client_in_all(clients: int, delta: float) -> None:
    assert delta_for(clients) == pytest.approx(delta)


def test_an_arm_without_noise_promises_nothing_and_says_nothing() -> None:
    assert privacy_of([], 10) is None
    assert privacy_of([method(), method(clip_norm=1.0)], 10) is None


def test_an_arm_promises_what_its_stages_do_together_and_all_its_trials_less() -> None:
    noisy = method(rounds=20, cohort_size=10, clip_norm=1.0, noise_multiplier=1.0)
    found = privacy_of([noisy, noisy], 100, runs=4)
    assert found is not None
    assert found.epsilon == pytest.approx(epsilon_of([NoisyRounds(40, 0.1, 1.0)], 1e-5))
    assert found.all_runs == pytest.approx(epsilon_of([NoisyRounds(160, 0.1, 1.0)], 1e-5))
    assert found.as_json() == {**vars(found)}
    assert (found.delta, found.clients, found.runs) == (1e-5, 100, 4)


def test_a_cohort_of_more_than_all_is_all() -> None:
    found = privacy_of([method(rounds=4, cohort_size=50, clip_norm=1.0, noise_multiplier=2.0)], 10)
    assert found is not None
    assert found.epsilon == pytest.approx(epsilon_of([NoisyRounds(4, 1.0, 2.0)], 1e-5))


def test_a_stage_without_noise_leaves_no_number() -> None:
    noisy = method(rounds=2, clip_norm=1.0, noise_multiplier=1.0)
    assert privacy_of([noisy, METHODS["ridge"].build({})], 10) == Privacy(None, 1e-5, 10, 1, None)


def test_a_server_that_sees_single_updates_is_promised_of_less() -> None:
    noisy = method(rounds=4, clip_norm=1.0, noise_multiplier=6.0)
    found = privacy_of([noisy], 9, lost=0.5)
    assert found is not None
    assert found.epsilon == pytest.approx(epsilon_of([NoisyRounds(4, 1.0, 6.0)], 1e-5))
    # Five of nine answer at least.
    assert found.to_server == pytest.approx(epsilon_of([NoisyRounds(4, 1.0, 6.0 / 5**0.5)], 1e-5))
