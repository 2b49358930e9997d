from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headstart.report import load_run, views
from headstart.report.run import Run
from headstart.report.summary import ClientRow, arm_rows


@pytest.fixture(scope="module")
def slate(slate_folder: Path) -> Run:
    return load_run(slate_folder)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "Recommended: ridge-personal"),
        ({"grounds": "better", "headline": "Do both"}, "Do both"),
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


def test_the_key_numbers_are_regret_effect_worst_and_bytes(slate: Run, answered: dict[str, Path]) -> None:
    labels = [item.label for item in views.key_numbers(slate, arm_rows(slate))]
    assert labels == ["Against fedavg", "Worst decile of clients", "Bytes per client"]
    run = load_run(answered["undecided"])
    first = views.key_numbers(run, arm_rows(run))[0]
    assert (first.label, first.value) == ("At most behind the best", "1.3 points")


def test_the_sub_questions_lie_on_one_scale(slate: Run, answered: dict[str, Path]) -> None:
    assert views.tree(slate) is None
    tree = views.tree(load_run(answered["undecided"]))
    assert tree is not None
    start, share, adapt = tree.branches
    assert tree.left < tree.zero < tree.left + tree.width
    assert min(start.left or 0, share.left or 0) > tree.zero > (adapt.left or 100)
    places = [place for one in tree.branches for place in (one.left or 0, one.dot or 0, (one.left or 0) + one.width)]
    assert 0 <= min(places) < max(places) <= 100


def test_a_question_that_was_not_asked_has_no_place(answered: dict[str, Path]) -> None:
    tree = views.tree(load_run(answered["only"]))
    assert tree is not None
    assert (tree.branches[1].dot, tree.branches[1].left) == (None, None)


def test_a_baseline_that_wins_is_not_compared_with_itself(slate: Run) -> None:
    same = replace(slate, verdict={**slate.verdict, "recommended": "fedavg"})
    assert views.sentence(same, arm_rows(same)).endswith(", and it is the baseline itself.")
    assert views.key_numbers(same, arm_rows(same))[0].note == "the baseline itself"


@pytest.mark.parametrize(("mean", "said"), [(0.999, ""), (0.5, "ridge-personal")])
def test_a_reference_that_is_beaten_is_said_to_be(slate: Run, mean: float, said: str) -> None:
    rows = tuple(replace(row, mean=mean) if row.role == "reference" else row for row in arm_rows(slate))
    assert views.beaten(slate, rows) == said
    assert views.beaten(slate, tuple(row for row in rows if row.role != "reference")) == ""


@pytest.mark.parametrize("lower", [False, True])
def test_of_many_clients_the_extremes_are_listed(lower: bool) -> None:
    def row(at: int) -> ClientRow:
        return ClientRow(f"c{at}", True, at / 600, 0.5, None, (at % 7) / 100, None)

    many = tuple(map(row, range(600)))
    found = views.listed(many, lower_is_better=lower)
    names = {one.name for one in found}
    assert {*(f"c{at}" for at in range(50)), *(f"c{at}" for at in range(550, 600))} <= names
    assert 120 < len(found) <= 150
    assert views.listed(many[:500], lower_is_better=lower) == many[:500]
