"""The decision card: one page that says what was asked, found, and left open."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from headstart.report import load_run, write_report
from headstart.report.card import card_parts, to_card_markdown
from headstart.report.markdown import to_markdown
from headstart.report.page import to_card_html, to_html

from .answered import CASES
from .run_folders import Recipe, write_run

TITLES = ("Question", "Answer", "How sure", "What it costs each client", "What it does not say", "What it rests on")


@pytest.mark.parametrize("case", CASES)
def test_every_kind_of_answer_has_a_card(answered: dict[str, Path], case: str) -> None:
    run = load_run(answered[case])
    parts = {one.title: one.lines for one in card_parts(run)}
    assert {"Question", "Answer", "What it does not say", "What it rests on"} <= parts.keys()
    assert max(len(lines) for title, lines in parts.items() if title != "What it rests on") <= 6
    assert to_card_markdown(run).count("\n## ") == len(parts)


def test_a_card_says_what_is_asked_of_it(answered: dict[str, Path]) -> None:
    run = load_run(answered["better"])
    parts = {one.title: " ".join(one.lines) for one in card_parts(run)}
    assert [title for title in TITLES if title not in parts] == []
    assert "The rule was fixed before any run" in parts["Question"]
    assert "surely behind no other family" in parts["How sure"]
    assert "sends" in parts["What it costs each client"]
    assert "of these clients alone" in parts["What it does not say"]


def test_a_doubt_stands_once_and_before_the_answer(doubted: Path) -> None:
    run = load_run(doubted)
    assert to_html(run).index("alone tells") < to_html(run).index("<h1>Federate")
    for text in (to_card_markdown(run), to_card_html(run)):
        assert text.count("alone tells") == 1
        assert text.index("alone tells") < text.index("Federate")
    blocks = to_markdown(run).split("\n\n")
    assert [at for at, block in enumerate(blocks) if "alone tells" in block] == [1]


def test_hashes_are_those_of_the_files(answered: dict[str, Path]) -> None:
    folder = answered["better"]
    lines = {one.title: one.lines for one in card_parts(load_run(folder))}["What it rests on"]
    said = hashlib.sha256((folder / "records.jsonl").read_bytes()).hexdigest()
    assert f"records.jsonl: sha256 {said}" in lines


def test_both_files_are_written_and_names_stay_words(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", Recipe(names="<script>alert(1)</script> {}", clients=4, unseen=0))
    paths = write_report(folder, formats=("card",))
    assert [path.name for path in paths] == ["card.md", "card.html"]
    assert "<script" not in paths[1].read_text()
    assert "://" not in paths[1].read_text()


def test_before_any_verdict_the_card_says_so(bare_folder: Path) -> None:
    text = to_card_markdown(load_run(bare_folder))
    assert "No verdict yet" in text
    assert "Arm to use" not in text
