"""What noise on single examples promises, as seen from how a method works."""

from __future__ import annotations

from typing import Any

import pytest

from headstart.adapt import METHODS as ADAPT
from headstart.core.errors import SettingError
from headstart.costs.example_privacy import (
    covered_epochs,
    example_privacy_of,
    hides_examples,
    phases_of,
)
from headstart.federate import METHODS as FEDERATE
from headstart.training.accountant import Releases, epsilon_of

NOISE: dict[str, Any] = {"example_clip": 1.0, "example_noise": 2.0}
KEEP = ADAPT["keep"].build({})


def fedavg(**settings: Any) -> Any:
    return FEDERATE["fedavg"].build({"trainable": "head", **settings})


def probe(**settings: Any) -> Any:
    return ADAPT["linear_probe"].build({"epochs": 3, **settings})


def test_every_step_counts() -> None:
    phases = phases_of([fedavg(rounds=7, local_epochs=2, **NOISE)], probe(**NOISE))
    assert phases is not None
    assert [(one.rounds, one.passes.epochs, one.draws) for one in phases] == [(7, 2, 1), (1, 3, 1)]
    assert [one.releases(100) for one in phases] == [Releases(7 * 2 * 4, 0.32, 2.0), Releases(3 * 4, 0.32, 2.0)]


def test_both_phases_of_lp_ft_count() -> None:
    phases = phases_of([], ADAPT["lp_ft"].build({"head_epochs": 4, "epochs": 5, **NOISE}))
    assert phases is not None
    assert [one.passes.epochs for one in phases] == [4, 5]


@pytest.mark.parametrize("name", ["ridge", "ncm", "lda"])
def test_sums_of_features_are_read_without_noise(name: str) -> None:
    assert phases_of([FEDERATE[name].build({}), fedavg(**NOISE)], KEEP) is None


@pytest.mark.parametrize("name", ["local_ridge", "personal_ridge", "local_lda", "knn"])
def test_so_are_those_of_an_adaptation_and_a_memory_of_examples(name: str) -> None:
    assert phases_of([fedavg(**NOISE)], ADAPT[name].build({})) is None


def test_a_stage_without_noise_promises_nothing() -> None:
    found = example_privacy_of([fedavg(**NOISE)], probe(), [50, 60])
    assert found is not None
    assert (found.epsilon, found.all_runs, found.clients) == (None, None, 2)


def test_an_arm_without_noise_says_nothing() -> None:
    assert example_privacy_of([fedavg()], probe(), [50]) is None
    assert example_privacy_of([fedavg(example_clip=1.0)], KEEP, [50]) is None
    assert example_privacy_of([fedavg(**NOISE)], KEEP, [0]) is None
    assert not hides_examples(KEEP, fedavg())


def test_the_client_that_is_promised_least_is_named() -> None:
    found = example_privacy_of([fedavg(rounds=5, **NOISE)], KEEP, [400, 0, 33, 32, 400], runs=3)
    assert found is not None
    # Of 32 examples all are in every step, and there are half as many steps.
    assert (found.examples, found.clients, found.runs) == (33, 4, 3)
    assert found.epsilon == pytest.approx(epsilon_of([Releases(10, 32 / 33, 2.0)], 1e-5))
    assert found.all_runs == pytest.approx(epsilon_of([Releases(30, 32 / 33, 2.0)], 1e-5))


def test_noise_for_an_epsilon_keeps_it_over_all_stages() -> None:
    asked = {"example_clip": 1.0, "epsilon": 3.0, "momentum": 0.9}
    epochs = covered_epochs([fedavg(rounds=4, **asked)], probe(**asked))
    assert epochs == 7
    arm = [fedavg(rounds=4, private_epochs=epochs, **asked)], probe(private_epochs=epochs, **asked)
    found = example_privacy_of(*arm, [30, 100, 500])
    assert found is not None
    assert found.epsilon is not None
    assert 2.98 < found.epsilon <= 3.0


def test_nobody_asks_for_an_epsilon() -> None:
    assert covered_epochs([fedavg(**NOISE)], probe()) is None


@pytest.mark.parametrize(
    ("name", "values"), [("epsilon", (1.0, 2.0)), ("batch_size", (16, 32)), ("delta", (1e-6, 1e-5))]
)
def test_stages_that_ask_for_different_ones_are_refused(name: str, values: tuple[float, float]) -> None:
    asked = [{"example_clip": 1.0, "epsilon": 1.0, name: value} for value in values]
    with pytest.raises(SettingError, match=rf"{name}: must be the same in all stages.*received"):
        covered_epochs([fedavg(**asked[0])], probe(**asked[1]))
