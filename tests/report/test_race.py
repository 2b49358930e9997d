from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headstart.evidence.race import Look, Race, Taken
from headstart.report import figures, load_run, to_markdown, write_report
from headstart.report.page import to_html
from headstart.report.race import course, is_going
from headstart.report.summary import arm_rows, differences

from .raced import BEHIND, GOING, OUT, OVER, write_begun, write_raced
from .run_folders import Recipe, diagnosis
from .test_page import check

REFRESH = '<meta http-equiv="refresh" content="5">'


@pytest.fixture(scope="module")
def going(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_raced(tmp_path_factory.mktemp("race") / "going", GOING)


@pytest.fixture(scope="module")
def over(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_raced(tmp_path_factory.mktemp("race") / "over", OVER)


def said(race: Race, **more: Any) -> dict[str, Any]:
    return {"race": json.loads(json.dumps(race.as_json())), **more}


def test_a_folder_of_before_has_no_race() -> None:
    assert course({}) is None
    assert course({"race": None}) is None
    assert not is_going({})


def test_what_is_past_and_what_is_left_is_said() -> None:
    found = course(said(GOING, grounds="undecided", families={"fine-tune": {"excluded_by": ["both"]}}))
    assert found is not None
    assert found.stands == (
        "The test was asked with 3 seeds; it will be with 5 seeds. Scores in between are shown, and decide nothing.",
        "Left to be decided: whether to adapt on top of federating.",
        "Left to run before the next look: 2 arms (fedavg-finetune, ridge-personal).",
    )
    assert (found.going, found.ended) == (True, "")


@pytest.mark.parametrize(
    ("verdict", "left"),
    [
        ({}, "fine-tune, federate, or both"),
        ({"grounds": "no claim", "families": {"federate": {}}}, "fine-tune, federate, or both"),
        (
            {"grounds": "undecided", "families": {"both": {"excluded_by": ["federate"]}}},
            "fine-tuning alone or federating",
        ),
        ({"grounds": "better", "answer": "federate"}, "whether an arm that is still to run changes this"),
    ],
)
def test_what_is_left_to_be_decided(verdict: dict[str, Any], left: str) -> None:
    found = course(said(GOING, **verdict))
    assert found is not None
    assert f"Left to be decided: {left}." in found.stands


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        ("decided", "as soon as a look decided"),
        ("last look", "last look"),
        ("time", "time was up"),
        ("all", "Every arm"),
    ],
)
def test_why_it_is_over_and_whose_the_confidence_is(ended: Any, words: str) -> None:
    found = course(said(replace(OVER, ended=ended)))
    assert found is not None
    assert words in found.ended
    assert found.confidence.startswith("The answer's confidence is that of its look, 99%: ")
    assert "all together 5%" in found.confidence
    assert [look.state for look in found.looks] == ["past", "not needed" if ended == "decided" else "not reached"]
    assert found.stands == ()


def test_one_look_has_all_the_error() -> None:
    found = course(said(Race(ended="last look", taken=(Taken(3, 0.05, 4, None),))))
    assert found is not None
    assert found.confidence == "The test was looked at once, with all the error that is allowed (5%)."
    none = course(said(Race(ended="time", coming=(Look(3, 0.05),))))
    assert none is not None
    assert none.confidence == ""


def test_on_the_way_it_is_said_at_the_confidence_of_the_next_look() -> None:
    found = course(said(GOING))
    assert found is not None
    assert found.confidence == "What is said so far is said at the confidence of the next look, 96%."


def test_an_answer_is_shown_at_the_look_that_it_was_given_at() -> None:
    race = replace(OVER, taken=(Taken(3, 0.01, 9, None), Taken(5, 0.04, 3, "both")), coming=())
    found = course(said(race))
    assert found is not None
    assert [look.answer for look in found.looks] == ["undecided", "both"]


def test_a_page_on_the_way_is_marked_and_reads_itself_again(going: Path) -> None:
    text = to_html(load_run(going))
    check(text)
    assert text.count(REFRESH) == 1
    assert "<h1>So far: do both: federate, then fine-tune at each client</h1>" in text
    assert "<title>So far: " in text
    assert "Left to run before the next look: 2 arms" in text[text.index("<h1>") : text.index("<nav")]
    assert "<b>Ahead so far: ridge-personal</b>" in text
    assert f"<noscript>{REFRESH}</noscript>" in text
    assert 'data-reloads="5"' in text
    assert "<h2>How the race goes</h2>" in text


def test_a_finished_page_does_not_and_tells_how_the_race_went(over: Path) -> None:
    text = to_html(load_run(over))
    check(text)
    assert 'http-equiv="refresh"' not in text
    assert "o far" not in text
    race = text[text.index('<section id="race">') : text.index('<section id="diagnosis">')]
    assert "<h2>How the race went</h2>" in race
    assert "that of its look, 99%" in race
    assert all(f'<th scope="row">{arm}</th>' in race for arm in OUT)
    assert BEHIND in race
    assert "an assumption, outside the guarantee" in race


def test_a_folder_of_before_is_finished(slate_folder: Path) -> None:
    text = to_html(load_run(slate_folder))
    assert 'http-equiv="refresh"' not in text
    assert '<section id="race">' not in text


def test_an_arm_that_was_dropped_stands_in_place_with_its_reason(over: Path) -> None:
    run = load_run(over)
    rows = {row.name: row for row in arm_rows(run)}
    assert rows["fedavg"].out == f"{BEHIND}; 2 seeds"
    assert (rows["fedavg"].role, rows["fedavg"].seeds) == ("baseline", 2)
    assert rows["finetune-head"].out is None
    assert "zero-shot" not in rows
    table = to_html(run).split('<section id="arms">')[1].split("</table>")[0]
    assert '<tr class="baseline out">' in table
    assert "federate · baseline · dropped" in table
    assert not any("scores are missing" in note for note in run.notes)


def test_no_score_of_a_seed_that_was_not_to_be_run_is_missing(over: Path) -> None:
    assert "client scores are missing" not in to_html(load_run(over))


@pytest.mark.parametrize("width", [880, 350])
def test_figures_stand_arms_with_fewer_seeds_or_none(over: Path, width: int) -> None:
    run = load_run(over)
    drawn = figures(run, width)
    assert {"arms", "clients", "differences", "cost"} <= {*drawn}
    assert all(chart.to_dict() for chart in drawn.values())
    assert "ridge" in differences(run)


def test_figures_stand_a_single_seed_of_a_single_arm(tmp_path: Path) -> None:
    race = replace(GOING, taken=(), coming=(Look(3, 0.05),), out={}, left=("ridge",))
    folder = write_raced(tmp_path / "run", race, "no claim")
    lines = (folder / "records.jsonl").read_text().splitlines()
    (folder / "records.jsonl").write_text(lines[0] + "\n")
    check(to_html(load_run(folder)))


def test_markdown_and_json_say_the_same(going: Path, over: Path) -> None:
    text = to_markdown(load_run(going))
    assert text.startswith("# cats-dogs: So far: do both")
    assert "Left to be decided: whether an arm that is still to run changes this." in text
    text = to_markdown(load_run(over))
    assert "## How the race went" in text
    assert f"| fedavg (baseline, dropped: {BEHIND}; 2 seeds) |" in text
    assert f"| fedavg | 2 | dropped | {BEHIND} |" in text
    found = json.loads(write_report(over, formats=("json",))[0].read_text())
    assert found["race"]["going"] is False
    assert [one["arm"] for one in found["race"]["out"]] == list(OUT)
    assert found["answer"]["questions"][0]["says"] == "not tested"


@pytest.mark.parametrize(("found", "headline"), [(None, "Reading…"), (diagnosis(Recipe()), "No answer yet")])
def test_the_first_page_says_what_was_read_and_will_run(
    tmp_path: Path, found: dict[str, Any] | None, headline: str
) -> None:
    run = load_run(write_begun(tmp_path / "run", found))
    text = to_html(run)
    check(text)
    assert f"<h1>{headline}</h1>" in text
    assert REFRESH in text
    assert "To run: the standard arms, at most 3 seeds each." in text
    assert "clients.csv (table), 200 rows read, 200 used" in text
    assert '<section id="arms">' not in text
    assert headline in to_markdown(run).splitlines()[0]
    assert json.loads(write_report(run.folder, formats=("json",))[0].read_text())["verdict"] == {}


def test_the_first_page_of_a_race_names_its_arms_and_looks(tmp_path: Path) -> None:
    race = Race(coming=(Look(3, 0.01), Look(5, 0.04)), left=("ridge", "fedavg"))
    text = to_html(load_run(write_begun(tmp_path / "run", diagnosis(Recipe()), race)))
    check(text)
    assert "The test was not asked for a decision yet; it will be with 3 and 5 seeds. Scores" in text
    assert "2 arms (ridge, fedavg)" in text
    assert "Foretold before any training: ridge-personal." in text
