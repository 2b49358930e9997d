from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headstart.report import answer

from .answered import CASES


def verdict_in(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "verdict.json").read_text())
    return found


@pytest.mark.parametrize(
    ("name", "headline", "lead"),
    [
        ("better", "Federate", "Better than fine-tuning alone by "),
        ("good enough", "Federate", "Better than fine-tuning alone by "),
        ("fine-tune", "Fine-tune, do not upload", "Better than federating by "),
        ("undecided", "Share; whether to adapt afterwards is open", "Undecided between federating and doing both; "),
        ("no claim", "No claim yet", "It needs 3 seeds, and 2 were run; "),
        ("only", "Fine-tune, do not upload", "The only family of this study."),
    ],
)
def test_the_sentence_does_not_repeat_the_headline(
    answered: dict[str, Path], name: str, headline: str, lead: str
) -> None:
    verdict = verdict_in(answered[name])
    assert answer.headline(verdict) == headline
    assert answer.lead(verdict).startswith(lead)
    assert "It would be decided at" not in answer.lead(verdict)


def test_families_that_were_not_judged_stay_in_the_sentence() -> None:
    words = (
        "Undecided between a and b. It would be decided at min_effect .031; for 2 points it needs x. Not judged: both."
    )
    assert answer.lead({"headline": "Federate", "sentence": words}) == "Undecided between a and b. Not judged: both."


@pytest.mark.parametrize("name", CASES)
def test_three_questions_are_answered_in_every_case(answered: dict[str, Path], name: str) -> None:
    verdict = verdict_in(answered[name])
    asked = answer.questions(verdict)
    assert [one.asks for one in asked] == list(answer.ASKS.values())
    assert all(one.says in ("yes", "no", "open", "not asked") for one in asked)
    lines = answer.answer_lines(verdict)
    assert [label for label, _ in lines[:3]] == list(answer.ASKS.values())
    assert all(text and "nan" not in text and "None" not in text for _, text in lines)


def test_what_costs_is_told_from_what_adds_too_little(answered: dict[str, Path]) -> None:
    assert answer.questions(verdict_in(answered["fine-tune"]))[1].means == "better without"
    assert answer.questions(verdict_in(answered["good enough"]))[2].means == "good enough without"


def test_what_is_needed_is_said_where_it_is_undecided(answered: dict[str, Path]) -> None:
    assert answer.needed(verdict_in(answered["undecided"])).startswith("about ")
    assert " more test examples or a min_effect of 0.0" in answer.needed(verdict_in(answered["undecided"]))
    assert answer.needed(verdict_in(answered["better"])) == ""
    assert answer.needed(verdict_in(answered["no claim"])) == ""


def test_without_a_claim_an_arm_is_only_ahead(answered: dict[str, Path]) -> None:
    labels = dict(answer.answer_lines(verdict_in(answered["no claim"])))
    assert "Arm to use" not in labels
    assert "behind" not in labels["Ahead so far"]


def test_chances_of_the_best_mean_are_said_by_family_from_ten_clients_on(answered: dict[str, Path]) -> None:
    assert answer.first_by_chance(verdict_in(answered["good enough"])).startswith("federate ")
    assert answer.first_by_chance(verdict_in(answered["undecided"])) == ""


def test_an_older_verdict_has_a_note_in_the_place_of_an_answer() -> None:
    old = {"recommended": "ridge", "clear_winner": False, "sentence": "ridge is the cheapest arm."}
    assert answer.headline(old) == "Recommended: ridge"
    assert answer.questions(old) == ()
    assert answer.answer_lines(old) == [("note", answer.OLD)]


def test_an_open_question_says_what_would_settle_it() -> None:
    one = {"state": "open", "words": "+1.8 points", "gap": 0.018, "low": -0.017, "high": 0.053}
    many = {**one, "scope": "like these", "clients": 8, "examples": 288}
    verdict = {"start_pays": many, "share_pays": {**many, "state": "better"}, "adapt_pays": {**one, "gap": None}}
    said = [question.settles for question in answer.questions({**verdict, "min_effect": 0.02})]
    assert said == ["about 22 more clients like these would settle it, if the gap stays what it is", "", ""]
