from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headstart.report import findings, load_run
from headstart.report.run import Run
from headstart.report.units import DASH


def run_of(*records: dict[str, Any], **more: Any) -> Run:
    """A run of records alone."""
    named = [{"arm": "ridge", "seed": seed, **record} for seed, record in enumerate(records)]
    return Run(folder=Path("runs"), study={}, study_text="", records=tuple(named), clients={}, **more)


def trial(score: float | None, *, chosen: bool = False, **values: Any) -> dict[str, Any]:
    return {"score": score, "chosen": chosen, "values": values}


def test_a_diagnosis_is_said_as_far_as_it_was_measured() -> None:
    diagnosis = {
        "label_skew": {"total_variation": 0.417, "expected": 0.1, "jensen_shannon": None},
        "quantity_skew": {"min": 8, "max": 1200, "median": 40.0, "gini": 0.5},
        "backbone": {"ridge_accuracy": None},
    }
    said = [(fact.label, fact.value, fact.note) for fact in findings.facts(diagnosis)]
    assert said == [
        ("Label skew", "0.42", "by chance 0.10"),
        ("Training examples per client", f"8{DASH}1,200", "median 40, Gini 0.50"),
    ]


@pytest.mark.parametrize(
    ("verdict", "held"),
    [({}, None), ({"prediction_held": True, "predicted": "both"}, True), ({"recommended": "fedavg"}, None)],
)
@pytest.mark.parametrize("name", ["family", "winner"])
def test_whether_a_prediction_held_waits_for_the_verdict(name: str, verdict: dict[str, Any], held: bool | None) -> None:
    gain = {"mean": 0.05, "low": 0.01, "high": 0.09, "probability": 0.9}
    foretold = {name: "both", "reasons": ["few examples"], "gains": {"both": gain}, "metric": "accuracy"}
    found = findings.prediction(run_of({}, verdict=verdict, diagnosis={"prediction": {**foretold, "min_effect": 0.02}}))
    assert found is not None
    assert "foretold" in found.pop("words") or not verdict
    assert [line[:12] for line in found.pop("gains")] == ["doing both: "]
    assert found == {"family": "both", "held": held, "reasons": ["few examples"]}


def test_arms_ruled_out_for_one_reason_stand_together() -> None:
    reasons = {"ridge": "no uplink", "local": "too slow", "fedavg": "no uplink"}
    found = findings.ruled_out(run_of({}, verdict={"ruled_out": reasons}))
    assert found == [("ridge, fedavg", "no uplink"), ("local", "too slow")]


@pytest.mark.parametrize(
    ("verdict", "learnt", "words"),
    [
        ({"grounds": "better"}, [], "All 2 arms learnt: what each says of training"),
        ({"grounds": "better", "warnings": {"ridge": ["its loss rose"]}}, [], "The other arm learnt: "),
        ({"grounds": "better"}, None, "Whether arms learnt was not checked"),
        ({}, [], ""),
    ],
)
def test_that_all_arms_learnt_is_said_with_how_it_was_checked(
    verdict: dict[str, Any], learnt: list[str] | None, words: str
) -> None:
    run = run_of({"learnt": learnt}, {"arm": "local", "learnt": learnt})
    found = findings.learnt(replace(run, verdict=verdict))
    assert found.startswith(words)
    assert bool(found) == bool(words)


def test_nothing_foretold_is_nothing() -> None:
    assert findings.prediction(run_of({})) is None


def test_clients_left_out_are_counted_by_reason() -> None:
    lost = {"client": "north", "reason": "update holds NaN", "round": 3}
    found = findings.excluded(run_of({"excluded": [lost, lost]}, {"excluded": [lost, {**lost, "reason": "no answer"}]}))
    assert [(one["client"], one["reason"], one["times"]) for one in found] == [
        ("north", "update holds NaN", 3),
        ("north", "no answer", 1),
    ]


def test_tuning_says_what_was_chosen_over_the_seeds() -> None:
    first = [trial(0.7, lr=0.1), trial(0.8, chosen=True, lr=0.01)]
    second = [trial(None, lr=0.5), trial(0.9, lr=0.02), trial(0.6, lr=0.3)]
    (line,) = findings.tuning(run_of({"tuning": first}, {"tuning": second}))
    assert line == {"arm": "ridge", "trials": 3, "values": [("lr", "0.01, 0.02")], "score": "0.850"}


def test_versions_and_hashes_of_all_records_are_named() -> None:
    run = run_of({"versions": {"torch": "2.6"}, "study": "ab"}, {"versions": {"torch": "2.7"}, "study": "ab"})
    assert findings.versions(run) == [("torch", "2.6, 2.7")]
    assert findings.hashes(run) == [("Study", "ab")]


def test_one_seed_and_lost_scores_are_noted(bare_folder: Path, slate_folder: Path) -> None:
    assert "One seed only: the spread between repetitions is unknown." in findings.data_notes(load_run(bare_folder))
    assert any("client scores are missing" in note for note in findings.data_notes(load_run(slate_folder)))
