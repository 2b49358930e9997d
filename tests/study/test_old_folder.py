"""Folders of before the newest settings and before predictions go on, with their numbers and their own decision."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headstart.core.content import hash_json
from headstart.core.errors import DataError
from headstart.core.files import read_json, write_json
from headstart.core.progress import Silent
from headstart.study.run.folder import RunFolder
from study.watch import Watch
from tiny_study import numbers, open_tiny, read_records, run_tiny

OLD_DECISION = {"baseline": "fedavg", "metric": "balanced_accuracy", "min_effect": 0.01, "confidence": 0.95}


class Told(Silent):
    """Keeps warnings."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def warn(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A folder as it was made before: no predictions, none of the new settings, the former default."""
    run_tiny(tmp_path, decision="min_effect = 0.01")
    out = tmp_path / "out"
    folder, settings = RunFolder(out), read_json(out / "settings.json")
    del settings["evaluation"]["losses"]
    write_json(out / "settings.json", settings | {"decision": OLD_DECISION})
    lines = [line | {"decision": hash_json(OLD_DECISION)} for line in read_records(out)]
    (out / "records.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for line in lines:
        write_json(out / "nodes" / f"{line['key']}.json", folder.store.facts(line["key"]) | {"weights": None})
    for file in (*(out / "weights").glob("predictions-*"), out / "predictions.parquet"):
        file.unlink()
    return tmp_path


def resumed(folder: Path, **changes: Any) -> list[str]:
    told = Told()
    open_tiny(folder, **changes).run(folder / "out", progress=told)
    return told.lines


def test_it_goes_on_by_its_own_decision_and_says_so(old: Path, watch: Watch) -> None:
    before = numbers(old / "out")
    watch.clear()
    assert resumed(old) == [
        "decision.min_effect: 0.01, as this folder was made with (the default is 0.02 now)",
        "4 of 4 runs are older than per-example predictions: fedavg, fedavg-finetune; "
        "run into a new folder to have them",
    ]
    assert watch.nodes == {}
    after = numbers(old / "out")
    assert {name: after[name] for name in after if name != "verdict"} == {
        name: before[name] for name in before if name != "verdict"
    }
    assert after["verdict"]["each_client"] == []
    assert read_json(old / "out" / "verdict.json")["min_effect"] == 0.01
    assert read_json(old / "out" / "settings.json")["decision"]["min_effect"] == 0.01
    assert not (old / "out" / "predictions.parquet").exists()


def test_what_is_added_has_predictions(old: Path) -> None:
    lines = resumed(old, seeds=(0, 1, 2))
    assert lines[1].startswith("4 of 4 runs")
    assert resumed(old, seeds=(0, 1, 2))[1].startswith("4 of 6 runs")
    assert (old / "out" / "predictions.parquet").exists()
    assert len({line["decision"] for line in read_records(old / "out")}) == 1


def test_the_plan_says_what_it_goes_on_with(old: Path) -> None:
    study = open_tiny(old)
    (line,) = study.outdated(study.plan(old / "out"), old / "out")
    assert line.startswith("decision.min_effect: 0.01, as this folder")


@pytest.mark.parametrize(
    ("decision", "said"),
    [
        ("min_effect = 0.02", r"decision\.min_effect was 0\.01, is 0\.02"),
        ('clients = "these"', r"decision\.clients was None, is 'these'"),
    ],
)
def test_another_value_that_the_file_writes_is_refused(old: Path, decision: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        resumed(old, decision=decision)


def test_a_folder_that_kept_the_study_file_alone_had_the_former_default(old: Path) -> None:
    (old / "out" / "settings.json").unlink()
    text = (old / "out" / "study.toml").read_text()
    (old / "out" / "study.toml").write_text(text.replace("min_effect = 0.01", ""))
    assert resumed(old)[0].startswith("decision.min_effect: 0.01, as this folder")


def test_a_new_setting_that_changes_is_named(old: Path) -> None:
    study = open_tiny(old, more="[evaluation]\nlosses = true")
    lines = study.outdated(study.plan(old / "out"), old / "out")
    assert lines[1] == "settings changed (evaluation.losses was False, is True): 4 records of before are not used"
