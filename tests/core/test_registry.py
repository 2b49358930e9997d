from dataclasses import dataclass, field

import pytest
from pydantic import PositiveFloat, PositiveInt

from headstart import adapt, federate, start
from headstart.core.errors import SettingError
from headstart.core.registry import Entry, Scale, lookup, validate
from headstart.federate import FedAvg
from headstart.federate.fedopt import Adam


@dataclass(frozen=True, kw_only=True)
class Steps:
    client_lr: PositiveFloat = field(default=0.1, metadata={"search": Scale(10)})
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
    assert list(settings) == ["rounds", "note", "client_lr", "name"]
    assert settings["client_lr"].default == 0.1
    assert settings["client_lr"].search == Scale(10)
    assert settings["rounds"].search is None
    assert settings["name"].default == "adam", "a part's default is the method's, not its class's"


def test_build_puts_flat_values_where_they_belong() -> None:
    built = TABLE["method"].build({"client_lr": 0.3, "rounds": 7})
    assert built == Method(rounds=7, local=Steps(client_lr=0.3, name="adam"))


def test_another_class_fills_a_part() -> None:
    assert list(TABLE["other"].settings()) == ["rounds", "note", "client_lr", "beta"]
    assert TABLE["other"].build({"beta": 0.5}).local == OtherSteps(beta=0.5)


def test_integers_count_as_floats_but_nothing_else_is_converted() -> None:
    assert TABLE["method"].build({"client_lr": 1}).local.client_lr == 1


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"round": 3}, "round: unknown setting; did you mean 'rounds'"),
        ({"local": Steps()}, "local: unknown setting"),
        ({"beta": 0.5}, "beta: unknown setting"),
        ({"rounds": 0}, "rounds: input should be greater than 0, received 0"),
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


def test_an_unknown_method_is_answered_with_the_nearest() -> None:
    assert lookup(TABLE, "other", "federate") is TABLE["other"]
    with pytest.raises(SettingError, match=r"federate: unknown method 'methd'; did you mean 'method'\?"):
        lookup(TABLE, "methd", "federate")


def test_validate_returns_the_value() -> None:
    assert validate("k", 2, PositiveInt) == 2
    with pytest.raises(SettingError, match="k: "):
        validate("k", float("nan"), PositiveFloat)


TABLES = {"start": start.METHODS, "federate": federate.METHODS, "adapt": adapt.METHODS}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, table in TABLES.items() for name in table])
def test_every_entry_builds_from_nothing_and_from_its_own_defaults(kind: str, name: str) -> None:
    entry: Entry = TABLES[kind][name]
    settings = {key: setting.default for key, setting in entry.settings().items()}
    assert entry.build({}) == entry.build(settings)
    assert hash(entry.build({})) == hash(entry.build({}))


def test_fedadam_is_fedavg_with_another_server() -> None:
    built = federate.METHODS["fedadam"].build({"server_lr": 0.01, "client_lr": 0.2, "rounds": 5})
    assert isinstance(built, FedAvg)
    assert built.server == Adam(server_lr=0.01)
    assert (built.local.client_lr, built.schedule.rounds) == (0.2, 5)
