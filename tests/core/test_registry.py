from dataclasses import dataclass
from typing import Annotated

import pytest
from pydantic import PositiveFloat, PositiveInt

from headstart import adapt, federate, start
from headstart.core.errors import SettingError
from headstart.core.registry import Entry, Scale, validate
from headstart.federate import FedAvg
from headstart.federate.fedopt import Adam


@dataclass(frozen=True, kw_only=True)
class Steps:
    client_lr: Annotated[PositiveFloat, Scale(10)] = 0.1
    name: str = "sgd"


@dataclass(frozen=True, kw_only=True)
class OtherSteps:
    client_lr: PositiveFloat = 0.5
    beta: float = 0.9


@dataclass(frozen=True, kw_only=True)
class Method:
    rounds: PositiveInt = 3
    local: Steps = Steps(name="adam")
    note: str | None = None


TABLE = {"method": Entry(Method), "other": Entry(Method, {"local": OtherSteps})}


def test_settings_are_flat_and_know_type_default_and_range() -> None:
    settings = TABLE["method"].settings()
    assert list(settings) == ["rounds", "client_lr", "name", "note"]
    assert settings["client_lr"].default == 0.1
    assert settings["client_lr"].search == Scale(10)
    assert settings["rounds"].search is None
    assert settings["name"].default == "adam", "a part's default is the method's, not its class's"


def test_build_puts_flat_values_where_they_belong() -> None:
    built = TABLE["method"].build({"client_lr": 0.3, "rounds": 7})
    assert built == Method(rounds=7, local=Steps(client_lr=0.3, name="adam"))


def test_another_class_fills_a_part() -> None:
    assert list(TABLE["other"].settings()) == ["rounds", "client_lr", "beta", "note"]
    assert TABLE["other"].build({"beta": 0.5}).local == OtherSteps(beta=0.5)


def test_integers_count_as_floats_but_nothing_else_is_converted() -> None:
    assert TABLE["method"].build({"client_lr": 1}).local.client_lr == 1


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"round": 3}, "round: unknown setting; did you mean 'rounds'"),
        ({"local": Steps()}, "local: unknown setting"),
        ({"beta": 0.5}, "beta: unknown setting"),
        ({"rounds": 0}, "rounds: must be greater than 0, received 0"),
        ({"rounds": "3"}, "rounds: .*, received '3'"),
        ({"rounds": True}, "rounds: .*, received True"),
        ({"rounds": 2.0}, r"rounds: .*, received 2\.0"),
        ({"client_lr": -1.0}, r"client_lr: .*greater than 0, received -1\.0"),
        ({"client_lr": float("inf")}, "client_lr: .*finite number, received inf"),
        ({"client_lr": float("nan")}, "client_lr: .*finite number, received nan"),
        ({"client_lr": "big"}, "client_lr: .*, received 'big'"),
    ],
)
def test_a_bad_value_is_named(values: dict[str, object], complaint: str) -> None:
    with pytest.raises(SettingError, match=complaint):
        TABLE["method"].build(values)


def test_validate_returns_the_value() -> None:
    assert validate("k", 2, PositiveInt) == 2
    with pytest.raises(SettingError, match="k: "):
        validate("k", float("nan"), PositiveFloat)


@pytest.mark.parametrize("entry", [*start.METHODS.values(), *federate.METHODS.values(), *adapt.METHODS.values()])
def test_every_entry_builds_from_nothing_and_from_its_own_defaults(entry: Entry) -> None:
    settings = {key: setting.default for key, setting in entry.settings().items()}
    assert entry.build({}) == entry.build(settings)
    assert hash(entry.build({})) == hash(entry.build({}))
    assert entry.says


def test_an_entry_may_begin_with_other_values() -> None:
    entry = Entry(Method, defaults={"rounds": 7, "client_lr": 0.2})
    assert (entry.settings()["rounds"].default, entry.settings()["client_lr"].default) == (7, 0.2)
    assert entry.build({"rounds": 5}) == Method(rounds=5, local=Steps(name="adam", client_lr=0.2))


def test_fedadam_is_fedavg_with_another_server() -> None:
    built = federate.METHODS["fedadam"].build({"server_lr": 0.01, "client_lr": 0.2, "rounds": 5})
    assert isinstance(built, FedAvg)
    assert built.server == Adam(server_lr=0.01)
    assert (built.local.client_lr, built.schedule.rounds) == (0.2, 5)
