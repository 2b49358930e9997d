from __future__ import annotations

import json

import pytest

from headstart.evidence.answer_json import answer_json
from headstart.evidence.lost_sides import Asked, lost_side
from headstart.evidence.race import Out, Race
from headstart.evidence.sides import Traits
from known_outcomes import answer

BEHIND = "41.2 points behind fedavg-pretrained on validation data"
TRAITS = {
    "alone": Traits("fine-tune", from_scratch=False),
    "alone-scratch": Traits("fine-tune", from_scratch=True),
    "shared": Traits("federate", from_scratch=False),
    "fedavg": Traits("federate", from_scratch=True),
    "mixed": Traits("both", from_scratch=False),
    "mixed-scratch": Traits("both", from_scratch=True),
    "pooled": Traits(None, from_scratch=True),
}
SHARES = {"alone": 0.6, "shared": 0.8}


@pytest.mark.parametrize(
    ("accuracy", "asked", "out", "said"),
    [
        (SHARES, "start_pays", {"fedavg": Out("dropped", 2, BEHIND)}, f"fedavg from scratch was dropped: {BEHIND}"),
        (SHARES, "start_pays", {"alone-scratch": Out("dropped", 2, BEHIND)}, ""),
        ({"alone": 0.9, "shared": 0.6}, "start_pays", {"alone-scratch": Out("dropped", 2, "far")}, "alone-scratch"),
        (SHARES, "adapt_pays", {"mixed": Out("time", 1, "no time")}, "mixed was not finished: no time after 1 seed"),
        (SHARES, "share_pays", {"fedavg": Out("dropped", 2, BEHIND)}, ""),
        ({"shared": 0.8}, "share_pays", {"alone": Out("excluded", 3, "x")}, "alone was excluded at a look: x after"),
        ({"alone": 0.8}, "share_pays", {"shared": Out("screened", 0, "no")}, "shared was not run: no"),
        (SHARES, "start_pays", {"pooled": Out("reference", 1, "a reference")}, ""),
        (SHARES, "start_pays", {}, ""),
    ],
)
def test_the_lost_side_and_its_reason(accuracy: dict, asked: Asked, out: dict[str, Out], said: str) -> None:
    state, words = lost_side(asked, answer(accuracy), Race(ended="decided", out=out), TRAITS)
    assert state == ("dropped" if said else "not asked")
    assert words.startswith(said or "no arm stands for the other side")


def test_the_last_to_go_out_is_named() -> None:
    out = {"fedavg": Out("dropped", 1, "first"), "mixed-scratch": Out("dropped", 3, "behind after 3 seeds")}
    found = lost_side("start_pays", answer(SHARES), Race(out=out), TRAITS)
    assert found == ("dropped", "mixed-scratch from scratch was dropped: behind after 3 seeds")


def test_what_is_still_to_run_is_open() -> None:
    race = Race(out={"mixed-scratch": Out("dropped", 1, BEHIND)}, left=("fedavg",))
    assert lost_side("start_pays", answer(SHARES), race, TRAITS) == ("open", "fedavg from scratch is still to run")
    assert lost_side("adapt_pays", answer(SHARES), Race(left=("mixed",)), TRAITS) == ("open", "mixed is still to run")
    assert lost_side("adapt_pays", answer(SHARES), None, TRAITS)[0] == "not asked"


def test_a_verdict_says_why_a_question_was_not_tested() -> None:
    race = Race(out={"fedavg": Out("dropped", 2, BEHIND)})
    found = answer_json(answer(SHARES), "accuracy", race, TRAITS)
    assert found["start_pays"] == {
        "state": "dropped",
        "words": f"fedavg from scratch was dropped: {BEHIND} after 2 seeds",
    }
    assert found["share_pays"]["state"] == "better"
    assert found["adapt_pays"]["state"] == "not asked"
    assert json.dumps(found, default=str)
    assert answer_json(answer(SHARES), "accuracy")["start_pays"]["state"] == "not asked"
