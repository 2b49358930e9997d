from __future__ import annotations

import io
import re
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from headstart.cli.arms import legend, race_lines, ruled_out_lines, verdict_table
from headstart.costs.arm import ArmCosts
from headstart.evidence import Verdict
from report.answered import CASES, verdict_of
from report.raced import BEHIND, OVER

PRIORITY = ["mean", "interval", "effect", "family", "upload", "unseen", "worst", "total"]
ENOUGH = 200


def verdict(name: str = "many") -> Verdict:
    case = CASES[name]
    return verdict_of(case, [f"clinic-{at}" for at in range(case.clients)])[0]


def costs(found: Verdict) -> dict[str, ArmCosts]:
    return {arm: ArmCosts(*[10**9] * len(ArmCosts.__dataclass_fields__)) for arm in found.arms}


def shown(found: Verdict, width: int) -> list[str]:
    told = io.StringIO()
    table = verdict_table(found, costs(found), "clinics", width)
    Console(file=told, width=max(width, table.min_width or 0)).print(table)
    return [line.rstrip() for line in told.getvalue().splitlines()]


def columns(lines: list[str]) -> list[str]:
    return next(line for line in lines if line.split()[:1] == ["arm"]).split()[1:]


@pytest.mark.parametrize("width", [20, 60, 80, 100, 140, ENOUGH])
def test_nothing_is_cut_and_the_interval_is_always_there(width: int) -> None:
    found = verdict()
    lines = shown(found, width)
    assert "…" not in "".join(lines)
    assert max(map(len, lines)) <= max(width, 48)
    rows = [line for line in lines if line.split() and line.split()[0] in found.arms]
    assert len(rows) == len(found.arms)
    assert all(re.search(r"0\.\d{3}  0\.\d{3}–0\.\d{3}", row) for row in rows)


def test_a_long_name_is_cut_and_leaves_the_mean_its_room() -> None:
    found, long = verdict(), "ridge" + 200 * "x" + "-end"
    arms = {long if arm == "ridge" else arm: score for arm, score in found.arms.items()}
    lines = shown(replace(found, arms=arms), 80)
    assert max(map(len, lines)) <= 80
    row = next(line for line in lines if "ridgex" in line)
    assert re.search(r"x…x+-end.*  0\.\d{3}  0\.\d{3}–0\.\d{3}", row)


def test_what_matters_least_goes_first() -> None:
    found = verdict()
    kept = {width: set(columns(shown(found, width))) for width in (40, 80, 100, ENOUGH)}
    assert kept[40] == {"mean", "interval"}
    assert kept[80] >= {"mean", "interval", "effect", "family"}
    assert kept[40] < kept[80] < kept[100] == kept[ENOUGH] == set(PRIORITY)


def test_columns_without_anything_are_left_out_and_marks_are_said() -> None:
    found = verdict("better")
    assert "unseen" not in columns(shown(found, ENOUGH))
    assert "kept" not in columns(shown(found, ENOUGH))
    assert any(line.startswith(f" {found.recommended} *") for line in shown(found, 80))
    assert any(line.startswith(" pooled (reference)") for line in shown(verdict(), 80))


def test_the_legend_speaks_of_the_columns_that_are_there() -> None:
    found = verdict()
    assert legend(found, costs(found), 45) == "interval: of the mean"
    assert "unseen: held-out clients" in legend(found, costs(found), ENOUGH)


def test_where_less_is_better_the_lowest_mean_comes_first() -> None:
    found: Any = replace(verdict("better"), metric="log_loss", unit="nats", lower_is_better=True)
    rows = [line.split()[0] for line in shown(found, 80) if line.split()]
    assert rows.index("local") < rows.index("ridge")


def test_dropped_arms_are_dim_in_place_and_their_reasons_stand_below() -> None:
    found = verdict()
    found = replace(found, arms={**found.arms, "fedavg": replace(found.arms["fedavg"], status="dropped")})
    lines = shown(found, 80)
    assert any(line.startswith(" fedavg (dropped)") for line in lines)
    assert max(map(len, lines)) <= 80
    assert list(race_lines({"race": OVER.as_json()})) == [
        "[dim]zero-shot: dropped: 22 points behind finetune-lp-ft on validation data[/]",
        f"[dim]fedavg: dropped: {BEHIND}[/]",
        "[dim]finetune-head: went no further: finetune-lp-ft did better on validation data[/]",
    ]
    assert list(race_lines({})) == []


def test_many_arms_that_were_dropped_are_one_line() -> None:
    said = OVER.as_json()
    dropped = {f"arm-{i}": {"kind": "dropped", "seeds": 1, "why": f"{i} points behind"} for i in range(9)}
    lines = list(race_lines({"race": {**said, "out": {**said["out"], **dropped}}}))
    names = ", ".join(["zero-shot", "fedavg", *dropped])
    assert lines == [
        f"[dim]{names}: dropped; the report says why[/]",
        "[dim]finetune-head: went no further: finetune-lp-ft did better on validation data[/]",
    ]


def test_arms_ruled_out_for_one_reason_are_one_line() -> None:
    reasons = {"a": "no [uplink]", "b": "stopped: round 1", "c": "no [uplink]"}
    assert list(ruled_out_lines(reasons)) == ["[dim]a, c: ruled out: no \\[uplink][/]", "[dim]b: stopped: round 1[/]"]
