"""Epsilon from noise and back: published numbers, closed forms, and what it must not get wrong."""

import math

import pytest

from headstart.core.errors import SettingError
from headstart.training.accountant import (
    Releases,
    delta_for,
    epsilon_of,
    events_of,
    gaussian_epsilon,
    noise_for,
)


@pytest.mark.parametrize(
    ("stage", "delta", "published"),
    [
        # 10,000 examples, 64 at a time, 5 epochs, noise 2.0 on what adds up to twice the clip (microbatches).
        (Releases(782, 64 / 10_000, 1.0), 1e-6, 1.199),
        # A hundredth at a time, noise 0.7, 1.2 epochs; the same without sampling, where 1.2 epochs are two passes.
        (Releases(120, 0.01, 0.7), 1e-5, 2.4612381),
        (Releases(2, 1.0, 0.7), 1e-5, 10.1224946),
    ],
)
def test_published_numbers_are_found_again(stage: Releases, delta: float, published: float) -> None:
    """TensorFlow Privacy, privacy/analysis/compute_dp_sgd_privacy_test.py: what its report says under PLD accounting.

    https://github.com/tensorflow/privacy/blob/943ef91ee932207f22e3840753e0d5b1dd07d503/tensorflow_privacy/privacy/analysis/compute_dp_sgd_privacy_test.py
    """
    assert epsilon_of([stage], delta) == pytest.approx(published, rel=0.002)


@pytest.mark.parametrize(("noise", "epochs", "published"), [(1.12, 60, 2.92), (0.6, 30, 9.74), (1.2, 10, 1.20)])
def test_older_bounds_are_above_it(noise: float, epochs: int, published: float) -> None:
    """TensorFlow Privacy's tutorial on MNIST, batches of 256 of 60,000 examples: Rényi accounting gives away a fifth.

    https://github.com/tensorflow/privacy/blob/master/tutorials/README.md, "Select Parameters".
    """
    found = epsilon_of([Releases(epochs * 60_000 // 256, 256 / 60_000, noise)], 1e-5)
    assert 0.6 * published < found < published


@pytest.mark.parametrize(("rounds", "share", "noise"), [(20, 0.5, 2.0), (30, 0.1, 1.5)])
def test_the_grid_is_fine_enough_and_errs_on_the_safe_side(rounds: int, share: float, noise: float) -> None:
    from dp_accounting.pld import PLDAccountant

    stage = Releases(rounds, share, noise)
    fine = PLDAccountant(value_discretization_interval=5e-5).compose(events_of([stage])).get_epsilon(1e-5)
    assert fine * (1 - 1e-6) <= epsilon_of([stage], 1e-5) <= fine * 1.005


def test_where_all_take_part_it_is_exact_and_close_to_what_sampling_nearly_all_gives() -> None:
    from dp_accounting import get_epsilon_gaussian

    full = epsilon_of([Releases(25, 1.0, 10.0)], 1e-5)
    assert full == pytest.approx(get_epsilon_gaussian(2.0, 1e-5), rel=1e-9)
    assert epsilon_of([Releases(25, 0.999, 10.0)], 1e-5) == pytest.approx(full, rel=0.01)


def test_more_noise_fewer_rounds_and_fewer_clients_a_round_promise_more() -> None:
    base = epsilon_of([Releases(50, 0.2, 1.0)], 1e-5)
    for better in (Releases(50, 0.2, 1.2), Releases(40, 0.2, 1.0), Releases(50, 0.1, 1.0)):
        assert epsilon_of([better], 1e-5) < base


def test_stages_add_up_and_one_without_noise_promises_nothing() -> None:
    one = Releases(30, 0.1, 1.0)
    assert epsilon_of([one, one], 1e-5) == pytest.approx(epsilon_of([Releases(60, 0.1, 1.0)], 1e-5))
    both = epsilon_of([one, Releases(10, 1.0, 8.0)], 1e-5)
    assert epsilon_of([one], 1e-5) < both
    assert epsilon_of([one, Releases(5, 0.1, 0.0)], 1e-5) == math.inf
    assert epsilon_of([], 1e-5) == 0


@pytest.mark.parametrize("noise", [0.02, 0.3, 100.0])
def test_any_noise_has_a_number(noise: float) -> None:
    assert 0 < epsilon_of([Releases(20, 0.1, noise)], 1e-5) < math.inf


@pytest.mark.parametrize("noise", [1e-300, 1e-9, 0.019])
def test_noise_that_is_next_to_none_promises_nothing(noise: float) -> None:
    assert epsilon_of([Releases(20, 0.1, noise)], 1e-5) == math.inf
    assert epsilon_of([Releases(20, 1.0, noise)], 1e-5) == math.inf
    assert gaussian_epsilon([1e-300], 1e-5) == math.inf


@pytest.mark.parametrize("stage", [Releases(20, 0.1, 1e9), Releases(1, 1e-6, 1.0), Releases(5, 1.0, 1e12)])
def test_noise_that_hides_everything_has_an_epsilon_of_about_nothing(stage: Releases) -> None:
    assert 0 <= epsilon_of([stage], 1e-5) < 0.01


@pytest.mark.parametrize(("clients", "delta"), [(1, 1e-5), (1000, 1e-5), (763_430, 763_430**-1.1)])
def test_delta_is_far_below_one_client_in_all(clients: int, delta: float) -> None:
    assert delta_for(clients) == pytest.approx(delta)


def _moment(order: int, share: float, noise: float) -> float:
    """The log moment of one step at a whole order, by the binomial sum (Mironov, Talwar, Zhang 2019, section 3.3)."""
    terms = [
        math.comb(order, k) * (1 - share) ** (order - k) * share**k * math.exp(k * (k - 1) / (2 * noise**2))
        for k in range(order + 1)
    ]
    return math.log(sum(terms))


@pytest.mark.parametrize(
    ("steps", "share", "noise", "published"),
    [
        # Abadi et al. 2016, section 3.3: q = 0.01, sigma = 4, 10,000 steps, delta = 1e-5.
        (10_000, 0.01, 4.0, 1.26),
        # TensorFlow Privacy's tutorial on MNIST, batches of 256 of 60,000 examples, 60 epochs.
        (60 * 60_000 // 256, 256 / 60_000, 1.12, 2.92),
    ],
)
def test_the_moments_accountant_says_what_was_published_and_the_grid_a_fifth_less(
    steps: int, share: float, noise: float, published: float
) -> None:
    """Published with Renyi divergences at whole orders, turned into epsilon by Abadi et al.'s theorem 2."""
    moments = [(steps * _moment(order, share, noise), order - 1) for order in range(2, 34)]
    assert min((one - math.log(1e-5)) / order for one, order in moments) == pytest.approx(published, rel=0.01)
    assert 0.7 * published < epsilon_of([Releases(steps, share, noise)], 1e-5) < 0.85 * published


@pytest.mark.parametrize(("noise", "epochs", "published"), [(1.1, 60, 2.5617), (1.3, 15, 0.9422)])
def test_renyi_accounting_of_today_is_a_tenth_above_it(noise: float, epochs: int, published: float) -> None:
    """Batches of 250 of 60,000 examples, as TensorFlow Privacy's MNIST tutorial has them."""
    from dp_accounting.rdp import RdpAccountant

    steps = Releases(epochs * 240, 250 / 60_000, noise)
    renyi = RdpAccountant().compose(events_of([steps])).get_epsilon(1e-5)
    assert renyi == pytest.approx(published, rel=0.01)
    assert 0.88 * renyi < epsilon_of([steps], 1e-5) < 0.94 * renyi


@pytest.mark.parametrize(("times", "share"), [(400, 0.05), (20, 1.0), (40, 0.97), (3000, 0.005)])
@pytest.mark.parametrize("epsilon", [0.1, 1.0, 50.0])
def test_noise_is_found_for_an_epsilon(times: int, share: float, epsilon: float) -> None:
    noise = noise_for(epsilon, 1e-5, times, share)
    assert 0.99 * epsilon < epsilon_of([Releases(times, share, noise)], 1e-5) <= epsilon


def test_no_noise_hides_everything() -> None:
    with pytest.raises(SettingError, match="epsilon: must be one that some noise can keep"):
        noise_for(0.01, 1e-12, 10**8, 1.0)
