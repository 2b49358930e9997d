"""The device section: arms that fit first, what would make a refused one fit, and dashes for what is unknown."""

from pathlib import Path
from typing import Any

import pytest

from headstart.report import load_run, write_report
from headstart.report.devices import device_tables
from headstart.study.study import Study

STUDY = """
name  = "devices"
seeds = [0]
[data]
source       = "digits"
max_examples = 200
partition    = { method = "iid", num_clients = 3 }
[model]
backbone = "linear"
[devices.sensor]
class  = "raspberry-pi-zero-2-w"
uplink = "none"
[devices.unknown]
memory = "1 GB"
[decision]
baseline = "local"
metric   = "accuracy"
[engine]
way = "loop"
[arms.fedavg]
start    = "random"
federate = { method = "fedavg", rounds = 1 }
[arms.local]
start = "random"
adapt = { method = "full_finetune", epochs = 1 }
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("devices")
    (folder / "study.toml").write_text(STUDY)
    Study.load(folder / "study.toml").run(folder / "run")
    return folder / "run"


def test_arms_that_fit_come_first(run: Path) -> None:
    sensor, unknown = device_tables(load_run(run))
    assert [(arm.name, arm.fits) for arm in sensor.arms] == [("local", True), ("fedavg", False)]
    assert "has no uplink, and this arm uploads" in sensor.arms[1].misfits[0]
    assert all(arm.fits for arm in unknown.arms)
    assert (sensor.has_energy, unknown.has_energy) == (True, False)


def test_time_and_energy_follow_from_the_class(run: Path) -> None:
    sensor, unknown = device_tables(load_run(run))
    local: Any = sensor.arms[0]
    assert local.joules == pytest.approx(local.seconds * 0.37e9 * 5.7e-9)
    assert unknown.arms[0].seconds is None


def test_the_page_says_what_would_make_it_fit(run: Path) -> None:
    text = write_report(run)[0].read_text()
    assert "What the devices can run" in text
    assert "arms without a federate stage upload nothing" in text
