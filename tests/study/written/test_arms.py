from __future__ import annotations

import pytest

from headstart.adapt import Keep, LpFt
from headstart.core.errors import SettingError
from headstart.federate import FedAvg
from headstart.study.written.arms import (
    METHODS,
    Arm,
    Kind,
    Stage,
    check_training,
    parse_arm,
    with_defaults,
)


def test_names_alone_are_stages() -> None:
    arm = parse_arm("a", {"start": "random", "federate": "fedavg", "adapt": "lp_ft"})
    assert arm == Arm("a", Stage("start", "random"), (Stage("federate", "fedavg"),), Stage("adapt", "lp_ft"))


def test_without_federate_and_adapt() -> None:
    arm = parse_arm("a", {"start": "random"})
    assert (arm.federate, arm.adapt) == ((), Stage("adapt", "keep"))


def test_federate_may_be_a_list_in_order() -> None:
    arm = parse_arm("a", {"start": "random", "federate": ["ridge", {"method": "fedadam", "rounds": 3}]})
    assert arm.federate == (Stage("federate", "ridge"), Stage("federate", "fedadam", {"rounds": 3}))


def test_settings_reach_the_method() -> None:
    spec = Stage("federate", "fedavg", {"rounds": 3, "cohort_size": 2, "client_lr": 0.5, "trainable": "head"})
    method = spec.build()
    assert isinstance(method, FedAvg)
    assert (method.schedule.rounds, method.schedule.cohort_size) == (3, 2)
    assert (method.local.client_lr, method.trainable) == (0.5, "head")
    assert isinstance(Stage("adapt", "keep").build(), Keep)


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, table in METHODS.items() for name in table])
def test_every_method_is_built_by_its_name_alone(kind: Kind, name: str) -> None:
    assert isinstance(Stage(kind, name).build(), METHODS[kind][name].factory)


def test_as_json_is_read_back() -> None:
    table = {
        "start": {"method": "random"},
        "federate": [{"method": "ridge"}, {"method": "fedavg", "rounds": 3}],
        "adapt": {"method": "lp_ft", "epochs": 2},
    }
    assert parse_arm("a", table).as_json() == table


def test_what_an_arm_does_is_told_apart_from_its_name() -> None:
    first = parse_arm("a", {"start": "random", "federate": {"method": "fedavg", "rounds": 3, "client_lr": 0.1}})
    same = parse_arm("b", {"start": "random", "federate": [{"method": "fedavg", "client_lr": 0.1, "rounds": 3}]})
    other = parse_arm("a", {"start": "random", "federate": {"method": "fedavg", "rounds": 4, "client_lr": 0.1}})
    assert first.as_json() == same.as_json() != other.as_json()


def test_a_bad_value_in_an_arm_made_in_python_has_its_path() -> None:
    arm = Arm("mine", Stage("start", "random"), (Stage("federate", "fedavg", {"rounds": 0}),))
    with pytest.raises(SettingError, match=r"^arms\.mine\.federate\.rounds: must be greater than 0, received 0; "):
        arm.check()


class TestDefaults:
    arm = Arm(
        "a",
        Stage("start", "pretrained"),
        (Stage("federate", "ridge"), Stage("federate", "fedavg", {"batch_size": 8})),
        Stage("adapt", "lp_ft"),
    )

    def test_fill_in_what_the_arm_leaves_open(self) -> None:
        filled = with_defaults(self.arm, {"batch_size": 64, "balance": "loss"})
        assert filled.federate[1].settings == {"batch_size": 8, "balance": "loss"}
        assert isinstance(method := filled.adapt.build(), LpFt)
        assert (method.local.batch_size, method.local.balance) == (64, "loss")

    def test_leave_alone_what_does_not_know_them(self) -> None:
        filled = with_defaults(self.arm, {"batch_size": 64}, trainable="head")
        assert filled.federate[0] == Stage("federate", "ridge")
        assert filled.start == Stage("start", "pretrained")

    def test_the_cut_is_for_federated_stages_of_a_trained_start(self) -> None:
        filled = with_defaults(self.arm, {}, trainable="head")
        assert filled.federate[1].settings["trainable"] == "head"
        assert "trainable" not in filled.adapt.settings
        random = Arm("b", Stage("start", "random"), (Stage("federate", "fedavg"),))
        assert with_defaults(random, {}, trainable="head") == random

    def test_the_arm_itself_is_not_changed(self) -> None:
        before = self.arm.as_json()
        with_defaults(self.arm, {"batch_size": 64}, trainable="head")
        assert self.arm.as_json() == before

    def test_are_checked(self) -> None:
        check_training({"batch_size": 8, "rounds": 3, "optimizer": "adam"})
        with pytest.raises(SettingError, match=r"^training\.batch_size: must be greater than 0, received 0; "):
            check_training({"batch_size": 0})
