from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from headstart.cli.answer import answer_block, labelled
from report.answered import CASES, verdict_of


def block(name: str, width: int, beside: Mapping[str, Any] | None = None) -> list[str]:
    case = CASES[name]
    found, _ = verdict_of(case, [f"clinic-{at}" for at in range(case.clients)])
    return plain(answer_block({**found.as_json(), **(beside or {})}, width))


def plain(lines: Iterable[str]) -> list[str]:
    return [re.sub(r"\[/?(dim|bold)?\]", "", line) for line in lines]


@pytest.mark.parametrize("width", [60, 80, 100, 140])
@pytest.mark.parametrize("name", CASES)
def test_no_line_is_longer_than_the_terminal(name: str, width: int) -> None:
    assert max(map(len, block(name, width))) <= width


@pytest.mark.parametrize("name", CASES)
def test_the_headline_comes_first_then_the_parts_then_the_arm(name: str) -> None:
    lines = block(name, 140)
    at = [
        next(at for at, line in enumerate(lines) if line.startswith(label))
        for label in ("Good start pays?", "Sharing pays?", "Adapting pays?", "Why this one", "Foretold")
    ]
    assert at == sorted(at)
    assert at[:3] == [at[0], at[0] + 1, at[0] + 2]
    assert (bool(lines[0]), lines[at[0] - 1]) == (True, "")


def test_an_undecided_block_says_what_is_needed() -> None:
    assert any(line.startswith("Needed ") for line in block("undecided", 80))


def test_a_doubt_stands_once_and_first() -> None:
    words = "column 'num' alone tells 'label'"
    lines = block("better", 80, {"doubt": words, "cautions": [words]})
    assert [at for at, line in enumerate(lines) if words in line] == [0]


def test_labels_stand_at_the_left_and_texts_below_each_other() -> None:
    assert list(labelled([("a", "one two three four five six"), ("long", "x [y]")], 30)) == [
        "[dim]a     [/]one two three four five",
        "      six",
        "[dim]long  [/]x \\[y]",
    ]
