"""A study at several epsilons."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headstart.core.errors import SettingError
from headstart.study.run.tuning import trial_arms
from headstart.study.written.arms import Arm
from headstart.study.written.load import parse_study
from headstart.study.written.private import epsilon_of_arm, with_private
from headstart.study.written.schema import PrivacySettings

BOTH = Arm("both", "random", {"method": "fedavg", "trainable": "head", "rounds": 4}, "linear_probe")
PRIVACY = PrivacySettings(epsilon=(1.0, 4.0), example_clip=0.5, delta=1e-6)


def test_every_stage_promises_the_same() -> None:
    (_, one, four), _ = with_private([BOTH], PRIVACY)
    assert (one.name, four.name) == ("both-eps1", "both-eps4")
    for stage in (*four.federate, four.adapt):
        assert {name: stage.settings[name] for name in ("epsilon", "example_clip", "delta")} == {
            "epsilon": 4.0,
            "example_clip": 0.5,
            "delta": 1e-6,
        }
    assert (epsilon_of_arm(BOTH), epsilon_of_arm(four)) == (None, 4.0)


@pytest.mark.parametrize(
    "arm",
    [
        Arm("ridge", "random", "ridge"),
        Arm("ridge-fedavg", "random", ["ridge", "fedavg"]),
        Arm("knn", "random", "fedavg", "knn"),
        Arm("pooled", "random", "pooled"),
        Arm("zero-shot", "random"),
        Arm("has-one", "random", adapt={"method": "linear_probe", "example_clip": 1.0, "epsilon": 3.0}),
    ],
    ids=lambda arm: arm.name,
)
def test_arms_that_can_promise_nothing_or_do_already_stay_alone(arm: Arm) -> None:
    arms, left_out = with_private([arm], PRIVACY)
    assert arms == (arm,)
    assert all("reads examples without noise" in reason for reason in left_out.values())
    assert bool(left_out) is (arm.name in ("ridge-fedavg", "knn"))


@pytest.mark.parametrize("method", ["apfl", "pfedme", "fedpft", "scaffold"])
def test_an_arm_that_does_not_go_with_noise_is_left_out_with_the_reason(method: str) -> None:
    arms, left_out = with_private([Arm("own", "random", method), BOTH], PRIVACY)
    assert [arm.name for arm in arms] == ["own", "both", "both-eps1", "both-eps4"]
    assert left_out.keys() == {"own-eps1", "own-eps4"}


def test_passes_that_are_written_must_be_those_of_the_arm() -> None:
    (_, one, _), _ = with_private([BOTH], PRIVACY)
    wrong = one.map(lambda stage: replace(stage, settings={**stage.settings, "private_epochs": 1}))
    with pytest.raises(SettingError, match=r"arms.both-eps1: private_epochs: follows from the stages .* received 1"):
        trial_arms(wrong, 1, 0)


def test_every_trial_is_told_for_how_many_passes_its_epsilon_is() -> None:
    (_, one, _), _ = with_private([BOTH], PRIVACY)
    for trial in trial_arms(one, 4, 0):
        rounds, passes = 4, trial.federate[0].settings.get("local_epochs", 1)
        epochs = rounds * passes + trial.adapt.settings.get("epochs", trial.adapt.build().epochs)
        assert [stage.settings["private_epochs"] for stage in (*trial.federate, trial.adapt)] == [epochs, epochs]


def study(**tables: Any) -> Any:
    return parse_study({"name": "private", "data": {"source": "digits"}, **tables}, Path())


def test_such_a_study_runs_to_its_end() -> None:
    assert study().settings.races
    assert not study(privacy={"epsilon": [1.0, 2.0]}).settings.races


@pytest.mark.parametrize(
    ("privacy", "words"),
    [
        ({"epsilon": [1.0, 1.0]}, r"privacy.epsilon: must be distinct, received \[1.0, 1.0\]"),
        ({"epsilon": [0.0]}, r"privacy.epsilon\[0\]: must be greater than or equal to 0.01, received 0"),
        ({"epsilon": [1.0], "example_clip": 0.0}, "privacy.example_clip: must be greater than 0, received 0"),
        ({"epsilons": [1.0]}, "privacy.epsilons: unknown setting"),
        ({"epsilon": 2.0}, "privacy.epsilon: must be a list"),
    ],
)
def test_bad_settings_are_refused(privacy: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        study(privacy=privacy)
