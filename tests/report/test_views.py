from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headstart.report import load_run, views
from headstart.report.run import Run
from headstart.report.summary import arm_rows


@pytest.fixture(scope="module")
def slate(slate_folder: Path) -> Run:
    return load_run(slate_folder)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "Use ridge-personal"),
        ({"clear_winner": False}, "No clear winner"),
        ({"recommended": None}, "No arm can be recommended"),
    ],
)
def test_the_headline_claims_no_more_than_the_verdict(slate: Run, changes: dict[str, Any], text: str) -> None:
    assert views.headline(replace(slate, verdict={**slate.verdict, **changes})) == text


def test_without_a_verdict_nothing_is_claimed(bare_folder: Path) -> None:
    run = load_run(bare_folder)
    assert views.headline(run) == "No verdict yet"
    assert views.sentence(run, arm_rows(run)).startswith("The study has not finished")
    assert views.key_numbers(run, arm_rows(run)) == []


@pytest.mark.parametrize(
    ("verdict", "clients", "few"),
    [
        ({}, 0, False),
        ({}, 6, True),
        ({}, 7, False),
        ({"few_clients": False}, 3, False),
        ({"few_clients": True}, 9, True),
    ],
)
def test_six_clients_are_few_unless_the_verdict_says_otherwise(
    slate: Run, verdict: dict[str, Any], clients: int, few: bool
) -> None:
    assert views.is_few(replace(slate, verdict=verdict), clients) == few


def test_the_key_numbers_are_effect_chance_worst_and_bytes(slate: Run) -> None:
    labels = [item.label for item in views.key_numbers(slate, arm_rows(slate))]
    assert labels == ["Against fedavg", "Probability best", "Worst decile of clients", "Bytes per client"]


def test_with_few_clients_no_probability_is_shown(slate: Run) -> None:
    few = replace(slate, verdict={**slate.verdict, "few_clients": True})
    assert "Probability best" not in [item.label for item in views.key_numbers(few, arm_rows(few))]


def test_a_baseline_that_wins_is_not_compared_with_itself(slate: Run) -> None:
    same = replace(slate, verdict={**slate.verdict, "recommended": "fedavg"})
    assert views.sentence(same, arm_rows(same)).endswith(", and it is the baseline itself.")
    assert views.key_numbers(same, arm_rows(same))[0].note == "the baseline itself"


@pytest.mark.parametrize(("mean", "said"), [(0.999, ""), (0.5, "ridge-personal")])
def test_a_reference_that_is_beaten_is_said_to_be(slate: Run, mean: float, said: str) -> None:
    rows = tuple(replace(row, mean=mean) if row.role == "reference" else row for row in arm_rows(slate))
    assert views.beaten(slate, rows) == said
    assert views.beaten(slate, tuple(row for row in rows if row.role != "reference")) == ""
