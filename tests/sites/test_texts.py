"""A real federation of texts says what the simulation says."""

from pathlib import Path

import pytest

from headstart.sites.arms import run_arm
from headstart.study.written.load import StudyFile
from sites.in_process import InProcess, arm_of, losses, opened, simulated, sites_of
from sites.text_sites import NAMES, write_letters

ARMS = ("finetune", "fedavg", "ridge", "deep")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("letters")


@pytest.fixture(scope="module")
def file(folder: Path) -> StudyFile:
    return write_letters(folder)


@pytest.mark.parametrize("arm", ARMS)
def test_the_numbers_are_the_simulations(arm: str, file: StudyFile, folder: Path, tmp_path: Path) -> None:
    ask = InProcess(sites_of(folder, tmp_path / "state", NAMES, policy="updates"))
    found = run_arm(opened(file, ask, tmp_path / "out"), arm_of(file, arm))
    assert found["excluded"] == []
    assert losses(found) == pytest.approx(simulated(file, arm, tmp_path / "simulation"), abs=1e-4)
