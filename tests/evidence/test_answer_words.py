from __future__ import annotations

import re

import pytest

from headstart.evidence.answer import Rule
from headstart.evidence.answer_words import headline, sentence, subanswer
from known_outcomes import RULE, answer

NUMBER = r"\d+(\.\d)?"
INTERVAL = rf"\(95 % -?{NUMBER} to {NUMBER}\)"


@pytest.mark.parametrize(
    ("accuracy", "drawn", "head", "said"),
    [
        (
            {"alone": 0.9, "shared": 0.7, "mixed": 0.7},
            {},
            "Fine-tune, do not upload",
            rf"Fine-tune, do not upload: better than federating by {NUMBER} points {INTERVAL}, and better than doing "
            rf"both by {NUMBER} points {INTERVAL}, for these 4 clients\.",
        ),
        (
            {"alone": 0.6, "shared": 0.85, "mixed": 0.85},
            {"examples": 1500},
            "Federate",
            rf"Federate: better than fine-tuning alone by {NUMBER} points {INTERVAL}, and as good as doing both within "
            r"2 points, and cheaper, for these 4 clients\.",
        ),
        (
            {"alone": 0.6, "shared": 0.8, "mixed": 0.815},
            {"examples": 150},
            "Share; whether to adapt afterwards is open",
            rf"Undecided between federating and doing both; fine-tuning alone is {NUMBER} points behind "
            rf"\({NUMBER} to {NUMBER}\), for these 4 clients\. It would be decided at min_effect \.0\d\d; "
            r"for 2 points it needs .*(test examples|seeds?)\.",
        ),
        (
            {"alone": 0.6, "shared": 0.8},
            {"seeds": 2},
            "No claim yet",
            r"No claim: it needs 3 seeds, and 2 were run; federating has the best mean so far\.",
        ),
        (
            {"alone": 0.6},
            {},
            "Fine-tune, do not upload",
            r"Fine-tune, do not upload: the only family of this study\.",
        ),
    ],
)
def test_sentences(accuracy, drawn, head, said):
    found = answer(accuracy, **drawn)
    assert headline(found) == head
    assert re.fullmatch(said, sentence(found, "accuracy")), sentence(found, "accuracy")


def test_clients_like_these_need_three():
    found = answer({"alone": 0.6, "shared": 0.8}, clients=2, rule=Rule(0.02, 0.95, "like these"))
    assert '"clients like these" needs 3 clients with test data, and 2 were there' in sentence(found, "accuracy")


def test_an_answer_may_be_behind_by_less_than_what_matters():
    found = answer({"alone": 0.8, "shared": 0.81}, examples=8000, shared=0.97)
    assert found.family == "fine-tune"
    assert re.search(rf"behind federating by {NUMBER} points? {INTERVAL}, less", sentence(found, "accuracy"))
    assert "less than the 2 points that matter, and cheaper" in sentence(found, "accuracy")


@pytest.mark.parametrize(
    ("accuracy", "state"),
    [
        ({"alone": 0.6, "shared": 0.8}, "better"),
        ({"alone": 0.8, "shared": 0.6}, "good enough"),
        ({"alone": 0.8, "shared": 0.805}, "open"),
    ],
)
def test_subanswers(accuracy, state):
    compared = answer(accuracy, examples=60).share_pays
    assert compared is not None
    assert subanswer(compared, RULE, "accuracy")[0] == state


def test_what_one_bound_shows_is_said_as_one_bound():
    for seed in range(60):
        found = answer({"alone": 0.7, "shared": 0.62}, examples=60, seed=seed)
        contrast = found.between("fine-tune", "federate")
        if found.grounds == "better" and contrast is not None and contrast.interval(0.95)[0] <= 0:
            assert re.search(
                r"by \d+(\.\d)? points \(95 %, one-sided: at least \d+(\.\d)? points?\)", sentence(found, "accuracy")
            )
            return
    pytest.fail("no draw has a one-sided answer")


def test_a_family_that_was_not_judged_is_not_said_to_be_behind():
    found = answer({"shared": 0.8, "mixed": 0.82}, examples=40)
    assert headline(found) == "Undecided between federating and doing both"
    assert (
        headline(answer({"alone": 0.4, "shared": 0.8, "mixed": 0.82}, examples=20))
        == "Share; whether to adapt afterwards is open"
    )
