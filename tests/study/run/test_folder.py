"""A run folder keeps what the study still says, and nothing of other data, settings or decisions."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from headstart.core.errors import DataError
from headstart.data.federation import Federation
from headstart.study.run.folder import RunFolder
from headstart.study.written.arms import Arm
from headstart.testing.world import small_federation

HASHES = {"study": "s", "decision": "d"}
ARM = Arm("fedavg", "random", {"method": "fedavg", "rounds": 3})
OTHER = Arm("fedavg", "random", {"method": "fedavg", "rounds": 4})


def line(seed: int) -> dict[str, Any]:
    return {"arm": "fedavg", "seed": seed, "settings": ARM.as_json(), "key": "k", "nodes": [], **HASHES}


@pytest.fixture
def federation() -> Federation:
    return small_federation(0)


@pytest.fixture
def folder(tmp_path: Path, federation: Federation) -> RunFolder:
    """A folder with the records of two seeds."""
    folder = RunFolder(tmp_path)
    folder.prepare(federation, {"fedavg": [ARM]}, (0, 1), HASHES)
    folder.records.put(line(0))
    folder.records.put(line(1))
    return folder


def seeds(folder: RunFolder) -> list[int]:
    return [line["seed"] for line in RunFolder(folder.path).records.all()]


@pytest.mark.parametrize(
    ("trials", "wanted", "kept"),
    [
        ({"fedavg": [ARM]}, (0, 1, 2), [0, 1]),
        ({"fedavg": [OTHER, ARM]}, (0, 1), [0, 1]),
        ({"fedavg": [ARM]}, (1,), [1]),
        ({"fedavg": [OTHER]}, (0, 1), []),
        ({"local": [ARM]}, (0, 1), []),
    ],
)
def test_records_stay_while_the_study_still_says_them(
    folder: RunFolder, federation: Federation, trials: dict[str, list[Arm]], wanted: tuple[int, ...], kept: list[int]
) -> None:
    RunFolder(folder.path).prepare(federation, trials, wanted, HASHES)
    assert seeds(folder) == kept


def test_other_data_take_the_records_and_the_diagnosis_along(folder: RunFolder, federation: Federation) -> None:
    (folder.path / "diagnosis.json").write_text("{}")
    other = dataclasses.replace(federation, notes=("another",))
    RunFolder(folder.path).prepare(other, {"fedavg": [ARM]}, (0, 1), HASHES)
    assert seeds(folder) == []
    assert not (folder.path / "diagnosis.json").exists()


def test_another_decision_is_refused(folder: RunFolder, federation: Federation) -> None:
    with pytest.raises(DataError, match=r"\[decision\]"):
        RunFolder(folder.path).prepare(federation, {"fedavg": [ARM]}, (0, 1), {**HASHES, "decision": "e"})
    assert seeds(folder) == [0, 1]
