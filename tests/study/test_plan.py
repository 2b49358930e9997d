"""Costs are measured once and kept; a device rules arms out, references excepted."""

from __future__ import annotations

from pathlib import Path

import pytest

from headstart.core.errors import SettingError
from headstart.costs.devices import DeviceProfile
from headstart.study.plan import Costs, device_facts, gated, references
from headstart.study.study import Study
from tiny_study import ARMS, FEDAVG, open_tiny

POOLED = 'start = "random"\nfederate = { method = "pooled", epochs = 2 }'
LOCAL = 'start = "random"\nadapt = { method = "full_finetune", epochs = 2 }'
OFFLINE = (DeviceProfile("clinic", uplink=0.0),)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return open_tiny(tmp_path, arms={**ARMS, "pooled": POOLED, "local": LOCAL})


def test_costs_are_measured_once_and_read_back(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slate = gated(study.slate, study.costs, ())
    study.costs.write(tmp_path / "costs.json")
    again = Costs(study.lab)
    again.read(tmp_path / "costs.json")
    monkeypatch.setattr("headstart.study.plan.arm_costs", lambda *_, **__: pytest.fail("measured again"))
    assert gated(study.slate, again, ()).costs == slate.costs
    assert list(slate.costs) == [arm.name for arm in slate.arms] == [*ARMS, "pooled", "local"]


def test_no_file_of_costs_is_no_cost_known(study: Study, tmp_path: Path) -> None:
    study.costs.read(tmp_path / "none.json")
    assert study.costs.known == {}


def test_a_device_rules_out_what_uploads_and_no_reference(study: Study) -> None:
    slate = gated(study.slate, study.costs, OFFLINE)
    assert [arm.name for arm in slate.arms] == ["pooled", "local"]
    assert list(slate.ruled_out) == list(ARMS)
    assert set(slate.costs) == {*ARMS, "pooled", "local"}


def test_devices_are_told_of_every_arm_but_references(study: Study) -> None:
    slate = gated(study.slate, study.costs, OFFLINE)
    assert references(slate.arms) == {"pooled"}
    assert {name: set(arms) for name, arms in device_facts(slate, OFFLINE).items()} == {"clinic": {*ARMS, "local"}}


def test_an_arm_that_works_longer_costs_more(tmp_path: Path) -> None:
    study = open_tiny(tmp_path, arms={"fedavg": FEDAVG, "longer": FEDAVG.replace("rounds = 3", "rounds = 6")})
    short, long = (study.costs.of(arm) for arm in study.slate.arms)
    assert long.upload_bytes == 2 * short.upload_bytes
    assert long.client_flops == pytest.approx(2 * short.client_flops)


@pytest.mark.parametrize(
    ("stages", "complaint"),
    [
        ('start = "fractal"', r"arms.drawn.start: 'fractal' needs pictures, received a table"),
        (
            'start = "random"\nfederate = ["simsiam", "ridge"]',
            r"arms.drawn.federate: 'simsiam' needs pictures, received a table; leave the arm out, or take another",
        ),
    ],
    ids=["fractal", "simsiam"],
)
def test_stages_that_read_pictures_refuse_a_table(stages: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=complaint):
        open_tiny(tmp_path, arms={**ARMS, "drawn": stages})
