"""A run folder keeps what the study still says, and nothing of other data, settings or decisions."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from headstart.core.errors import DataError
from headstart.core.files import read_json, write_json
from headstart.data.federation import Federation
from headstart.study.run.folder import RunFolder
from headstart.study.written.arms import Arm
from headstart.study.written.schema import DecisionSettings
from headstart.testing.world import small_federation

HASHES = {"study": "s", "decision": "d"}
ARM = Arm("fedavg", "random", {"method": "fedavg", "rounds": 3})
SETTINGS = {"data": {"seed": 0}, "decision": {**asdict(DecisionSettings(baseline="fedavg")), "min_effect": 0.01}}


def line(seed: int) -> dict[str, Any]:
    return {"arm": "fedavg", "seed": seed, "settings": ARM.as_json(), "key": "k", "nodes": [], **HASHES}


def always(_: object) -> bool:
    return True


def never(_: object) -> bool:
    return False


@pytest.fixture
def federation() -> Federation:
    return small_federation(0)


@pytest.fixture
def folder(tmp_path: Path, federation: Federation) -> RunFolder:
    """A folder with the records of two seeds."""
    folder = RunFolder(tmp_path)
    folder.prepare(federation, always, SETTINGS, HASHES)
    folder.store.put("k", {"kind": "adapt"}, {"test/predicted": torch.zeros(1)})
    folder.records.put(line(0))
    folder.records.put(line(1))
    return folder


def seeds(folder: RunFolder) -> list[int]:
    return [line["seed"] for line in RunFolder(folder.path).records.all()]


def test_records_stay_while_they_fit(folder: RunFolder, federation: Federation) -> None:
    said = RunFolder(folder.path).prepare(federation, lambda line: line["seed"] == 1, SETTINGS, HASHES)
    assert seeds(folder) == [1]
    assert said == ("the study has other arms, seeds or tuning: 1 record of before is not used",)


def test_a_folder_of_before_the_account_is_kept(folder: RunFolder, federation: Federation) -> None:
    facts = read_json(folder.path / "federation.json")
    write_json(folder.path / "federation.json", {name: facts[name] for name in facts if name != "account"})
    (folder.path / "settings.json").unlink()
    (folder.path / "diagnosis.json").write_text('{"prediction": {}}')
    assert RunFolder(folder.path).prepare(replace(federation, notes=("more",)), always, SETTINGS, HASHES) == ()
    assert seeds(folder) == [0, 1]
    assert (folder.path / "diagnosis.json").exists()


def other_values(federation: Federation) -> Federation:
    inputs = federation.examples.inputs.copy()
    inputs[0] += 1
    return replace(federation, examples=replace(federation.examples, inputs=inputs))


def fewer_clients(federation: Federation) -> Federation:
    return replace(federation, clients=federation.clients[:-1])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (other_values, r"as many rows, with other values"),
        (fewer_clients, r"rows used were \d+, are \d+; clients were 7, are 6"),
    ],
)
def test_other_data_take_the_records_and_the_diagnosis_along_and_say_it(
    folder: RunFolder, federation: Federation, change: Callable[[Federation], Federation], said: str
) -> None:
    (folder.path / "diagnosis.json").write_text('{"prediction": {}}')
    (told,) = RunFolder(folder.path).prepare(change(federation), never, SETTINGS, HASHES)
    assert re.fullmatch(rf"the data changed \({said}.*\): 2 records of before are not used", told)
    assert seeds(folder) == []
    assert not (folder.path / "diagnosis.json").exists()


def test_a_changed_setting_of_the_data_is_named(folder: RunFolder, federation: Federation) -> None:
    other = {**SETTINGS, "data": {"seed": 3}}
    (told,) = RunFolder(folder.path).outdated(other_values(federation), never, other)
    assert told.startswith("the data changed (data.seed was 0, is 3; ")
    assert seeds(folder) == [0, 1]


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("metric", "accuracy", r"decision\.metric was 'balanced_accuracy', is 'accuracy'"),
        ("min_effect", 0.05, r"decision\.min_effect was 0\.01, is 0\.05"),
        ("baseline", "local", r"decision\.baseline was 'fedavg', is 'local'"),
    ],
)
@pytest.mark.parametrize("kept", ["settings.json", "study.toml"])
def test_another_decision_is_refused_by_the_setting_that_changed(
    folder: RunFolder, federation: Federation, setting: str, value: object, said: str, kept: str
) -> None:
    if kept == "study.toml":
        (folder.path / "settings.json").unlink()
        folder.keep_text('[data]\nsource = "x"\n')
    changed = {**SETTINGS, "decision": {**SETTINGS["decision"], setting: value}}
    with pytest.raises(DataError, match=rf"\[decision\].*{said} \(2 records.*new folder"):
        RunFolder(folder.path).prepare(federation, always, changed, {**HASHES, "decision": "e"})
    assert seeds(folder) == [0, 1]


def test_another_decision_of_a_study_in_python_is_refused_by_its_hash(
    folder: RunFolder, federation: Federation
) -> None:
    (folder.path / "settings.json").unlink()
    folder.keep_text('name = "study"\n')
    with pytest.raises(DataError, match=r"\[decision\].*its hash was 'd', is 'e'"):
        RunFolder(folder.path).prepare(federation, always, SETTINGS, {**HASHES, "decision": "e"})


def test_the_classes_of_every_client_are_kept_where_its_data_are(folder: RunFolder, federation: Federation) -> None:
    clients = (read_json(folder.path / "federation.json") or {})["clients"]
    for said, client in zip(clients, federation.clients, strict=True):
        for part, rows in (("train", client.train), ("test", client.test)):
            own = federation.examples.labels[rows].tolist()
            assert said["labels"][part] == [own.count(at) for at in range(federation.num_classes)]
    RunFolder(folder.path).prepare(federation, always, SETTINGS, HASHES, is_here=False)
    assert not any("labels" in said for said in (read_json(folder.path / "federation.json") or {})["clients"])
