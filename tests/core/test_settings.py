"""Settings: what is wrong is said in one line with path, rule, value received and way out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field
from typing import Annotated, Literal

import numpy as np
import pytest
from pydantic import Field, PositiveInt

from headstart.core.errors import SettingError
from headstart.core.settings import Says, check, problems, read, unknown


@dataclass(frozen=True, kw_only=True)
class Inner:
    share: Annotated[float, Field(ge=0, lt=1), Says("must be a share", "divide {} by 100")] = 0.5
    kind: Literal["mean", "cls"] = "mean"

    def __post_init__(self) -> None:
        check(self, "inner")


@dataclass(frozen=True, kw_only=True)
class Table:
    rounds: PositiveInt
    inner: Inner = Inner()
    maybe: Inner | None = None
    widths: tuple[PositiveInt, ...] = ()
    size: Annotated[str, Says("must have a unit", 'write "{} MB"', of_type=True)] = "1 MB"
    more: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    cut: Literal["head"] | PositiveInt = "head"


def complaint(table: object, path: str = "") -> list[str]:
    with pytest.raises(SettingError) as caught:
        read(Table, table, path)
    return str(caught.value).splitlines()


def test_plain_values_become_the_table() -> None:
    found = read(Table, {"rounds": 3, "maybe": {"share": 0}, "widths": [1, 2], "more": {"a": {"b": 1}}})
    assert found == Table(rounds=3, maybe=Inner(share=0), widths=(1, 2), more={"a": {"b": 1}})


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ({}, "rounds: is required, received nothing; add it to the study file"),
        ({"rounds": 0}, "rounds: must be greater than 0, received 0; give one that does"),
        ({"rounds": "3"}, "rounds: must be a whole number, received '3'; write digits alone, without quotes"),
        ({"rounds": 0.5}, "rounds: must be a whole number, received 0.5; it is a count, not a share: "),
        ({"rounds": True}, "rounds: must be a whole number, received True; "),
        ({"rounds": 1, "round": 2}, "round: unknown setting, received 2; did you mean 'rounds'? (valid: cut, inner,"),
        (
            {"rounds": 1, "kind": "cls"},
            "kind: unknown setting, received 'cls'; it is a setting of 'inner': write inner = {",
        ),
        ({"rounds": 1, "inner": 3}, "inner: must be a table, received 3; write { … } or a [section] of its own"),
        ({"rounds": 1, "inner": {"share": 50}}, "inner.share: must be a share, received 50; divide 50 by 100; the d"),
        ({"rounds": 1, "inner": {"share": "a"}}, "inner.share: must be a number, received 'a'; write it without quot"),
        ({"rounds": 1, "inner": {"share": float("nan")}}, "inner.share: must be a finite number, received nan; give"),
        ({"rounds": 1, "maybe": {"kind": "men"}}, "maybe.kind: must be 'mean' or 'cls', received 'men'; did you mean "),
        ({"rounds": 1, "maybe": {"knd": "cls"}}, "maybe.knd: unknown setting, received 'cls'; did you mean 'kind'?"),
        ({"rounds": 1, "widths": [1, 0]}, "widths[1]: must be greater than 0, received 0; give one that does"),
        ({"rounds": 1, "size": 3}, "size: must have a unit, received 3; write \"3 MB\"; the default is '1 MB'"),
        ({"rounds": 1, "more": {"a": {"b": 0.5}}}, "more.a.b: must be a whole number, received 0.5; it is a count"),
        ({"rounds": 1, "cut": "haed"}, "cut: must be 'head' or must be a whole number, received 'haed'; did you mean"),
    ],
)
def test_a_broken_rule_is_one_line(table: dict[str, object], line: str) -> None:
    (found,) = complaint(table)
    assert found.startswith(line)


def test_two_broken_rules_are_two_lines_under_the_path() -> None:
    lines = complaint({"rounds": 0, "inner": {"share": 2}}, "arms.a")
    assert [line.split(":")[0] for line in lines] == ["arms.a.rounds", "arms.a.inner.share"]


@pytest.mark.parametrize(
    ("seeds", "rule"),
    [
        (np.arange(3), None),
        (range(3), None),
        ((0, np.int64(1)), None),
        (np.array([0.5]), "seeds[0]: must be a whole number, received 0.5"),
        (5, "seeds: must be a list, received 5"),
    ],
)
def test_values_of_python_are_read_as_a_file_would_say_them(seeds: object, rule: str | None) -> None:
    found = problems(tuple[int, ...], seeds, "seeds")
    assert [line.split(";")[0] for line in found] == ([] if rule is None else [rule])


@pytest.mark.parametrize(("default", "ends"), [(MISSING, "quotes"), (None, "quotes"), (20, "; the default is 20")])
def test_a_default_is_a_way_out(default: object, ends: str) -> None:
    (line,) = problems(int, "3", "rounds", default)
    assert line.endswith(ends)


def test_a_table_made_in_python_is_checked_too() -> None:
    with pytest.raises(SettingError, match=r"^inner\.share: must be a share, received 3; .*\ninner\.kind: must be "):
        Inner(share=3, kind="max")  # type: ignore[arg-type]


def test_an_unknown_name_has_the_nearest() -> None:
    assert unknown("arms.a.federated", "x", ["federate"], "stage").startswith(
        "arms.a.federated: unknown stage, received 'x'; did you mean 'federate'?"
    )
