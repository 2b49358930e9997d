from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from headstart.evidence.metrics import measure
from headstart.evidence.power import Design
from headstart.report import load_run
from headstart.report.power import choices, design_of, plan_lines, smallest

DESIGN = Design((60,) * 10, seeds=5, families=3, confidence=0.95, scope="these")


def test_the_range_lies_around_the_typical() -> None:
    found = smallest(DESIGN)
    assert found.low < found.typical < found.high
    assert found.words.endswith(f"points ({100 * found.low:.1f} to {100 * found.high:.1f})")


def test_more_of_anything_lets_smaller_differences_be_decided() -> None:
    first, *others = choices(DESIGN)
    assert first.what == "as it is: 10 clients, 600 test examples, 5 seeds"
    assert all(one.these.typical < first.these.typical for one in others)
    assert first.these.typical < first.like_these.typical


def test_a_plan_warns_where_min_effect_is_too_small_and_names_ways_out() -> None:
    said, warned = plan_lines(DESIGN, 0.02, measure("accuracy"))
    assert said.startswith("equal families would be decided at a min_effect of 2.4 points (")
    assert said.endswith("for these 10 clients")
    assert warned.startswith("min_effect is 2 points, at which equal families may stay undecided; a way out is about ")
    assert " more test examples or " in warned
    assert warned.endswith("a min_effect of 0.024")
    assert len(plan_lines(DESIGN, 0.05, measure("balanced_accuracy"))) == 1


def test_of_clients_like_these_more_clients_are_a_way_out() -> None:
    _, warned = plan_lines(replace(DESIGN, scope="like these"), 0.03, measure("accuracy"))
    assert " more clients" in warned


def test_where_nothing_can_be_claimed_that_is_said() -> None:
    (line,) = plan_lines(replace(DESIGN, seeds=2), 0.02, measure("accuracy"))
    assert line.startswith("nothing can be claimed of these 10 clients")
    assert not math.isfinite(smallest(replace(DESIGN, seeds=2)).typical)
    assert smallest(replace(DESIGN, seeds=2)).words == "never"


@pytest.mark.parametrize(("metric", "families"), [("log_loss", 3), ("macro_f1", 3), ("accuracy", 1)])
def test_of_other_metrics_and_of_one_family_nothing_is_said(metric: str, families: int) -> None:
    assert plan_lines(replace(DESIGN, families=families), 0.02, measure(metric)) == ()


def test_a_runs_design_counts_the_test_examples_of_seen_clients(answered: dict[str, Path], slate_folder: Path) -> None:
    found = design_of(load_run(answered["many"]))
    assert found == Design((60,) * 35, seeds=3, families=3, confidence=0.95, scope="like these")
    assert design_of(load_run(slate_folder)) is None
