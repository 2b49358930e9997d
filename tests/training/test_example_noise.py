"""Settings of noise on single examples."""

from __future__ import annotations

import math

import pytest

from headstart.adapt import METHODS
from headstart.core.errors import SettingError
from headstart.training.accountant import Releases, delta_for, epsilon_of
from headstart.training.example_noise import ExampleNoise, num_steps, releases_of, share_of


@pytest.mark.parametrize(("size", "epochs"), [(500, 20), (33, 5), (20, 5)])
@pytest.mark.parametrize("epsilon", [0.5, 8.0])
def test_every_client_is_promised_the_same(size: int, epochs: int, epsilon: float) -> None:
    noise = ExampleNoise(clip=1.0, epsilon=epsilon, epochs=epochs).of(size, 32)
    steps = num_steps(size, 32, epochs)
    assert steps == epochs * math.ceil(size / 32)
    found = epsilon_of([releases_of(noise, size, 32, steps)], delta_for(size))
    assert 0.99 * epsilon < found <= epsilon * 1.0001


def test_a_delta_of_ones_own_is_taken() -> None:
    strict, loose = (ExampleNoise(clip=1.0, epsilon=1.0, delta=delta, epochs=2).of(10, 32) for delta in (1e-9, 1e-3))
    assert strict > loose
    assert epsilon_of([Releases(2, 1.0, loose)], 1e-3) == pytest.approx(1.0, rel=0.01)


def test_small_clients_take_all_they_have_every_step() -> None:
    assert (share_of(20, 32), share_of(64, 32)) == (1.0, 0.5)


def test_draws_on_one_batch_are_one_with_less_noise() -> None:
    assert releases_of(2.0, 64, 32, 10, draws=4) == Releases(10, 0.5, 1.0)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"example_noise": 1.0}, "example_noise: needs example_clip.*received 1 without"),
        ({"epsilon": 2.0}, "epsilon: needs example_clip.*received 2 without"),
        (
            {"example_clip": 1.0, "example_noise": 1.0, "epsilon": 2.0},
            "example_noise: follows from epsilon",
        ),
        ({"example_clip": 1.0, "epsilon": 2.0, "local_steps": 3}, "local_steps: must be left out.*received 3"),
        ({"example_clip": 1.0, "balance": "loss"}, "balance: must be 'none'.*received 'loss'"),
        ({"example_clip": 1.0, "balance": "sampling"}, "balance: must be 'none'.*received 'sampling'"),
    ],
)
def test_noise_that_would_promise_nothing_is_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        METHODS["linear_probe"].build(settings)


def test_outside_of_a_study_one_says_how_many_passes_epsilon_is_for() -> None:
    with pytest.raises(SettingError, match=r"epsilon: needs private_epochs.*received 2 alone"):
        ExampleNoise(clip=1.0, epsilon=2.0).of(100, 32)


@pytest.mark.parametrize("name", ["example_clip", "epsilon", "delta"])
def test_nothing_is_no_clip_no_epsilon_and_no_delta(name: str) -> None:
    with pytest.raises(SettingError, match=name):
        METHODS["linear_probe"].build({name: 0.0})
