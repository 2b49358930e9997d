"""Bodies without labels and starts on fractals, where clients are sites: the numbers are a simulation's."""

from dataclasses import replace
from pathlib import Path

import pytest

from headstart.study.written.arms import Arm
from headstart.study.written.load import StudyFile
from sites.in_process import InProcess, losses, opened, run_arm, simulated, sites_of

SIMSIAM = {"method": "simsiam", "rounds": 2, "projection": 8, "batch_size": 8}
FRACTAL = {"method": "fractal", "systems": 3, "pictures": 6, "epochs": 2, "client_lr": 0.02}


@pytest.mark.parametrize(
    "arm",
    [Arm("simsiam", "random", [SIMSIAM, "ridge"]), Arm("fractal", FRACTAL, "ridge")],
    ids=lambda arm: arm.name,
)
def test_the_numbers_are_the_simulations(arm: Arm, folder: Path, file: StudyFile, tmp_path: Path) -> None:
    file = replace(file, arms=(*file.arms, arm))
    found = run_arm(opened(file, InProcess(sites_of(folder, tmp_path / "state")), tmp_path / "out"), arm)
    assert not found["excluded"]
    assert losses(found) == pytest.approx(simulated(file, arm.name, tmp_path / "here"), rel=1e-4)
