"""Arms whose stages do not fit are refused by name, before anything is trained."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from headstart.core.errors import SettingError
from headstart.study.study import Study
from tiny_study import write_study


def _study(tmp_path: Path, federate: str, adapt: str = "keep") -> Study:
    arm = f'start = "random"\nfederate = {federate}\nadapt = "{adapt}"'
    path = write_study(tmp_path, arms={"a": arm})
    path.write_text(
        path.read_text().replace('baseline = "fedavg"', "").replace('backbone = "linear"', 'backbone = "mlp"')
    )
    return Study.load(path)


@pytest.mark.parametrize(
    ("federate", "adapt", "says"),
    [
        (
            '{ method = "fedper", trainable = "head" }',
            "keep",
            r"arms\.a\.federate\.trainable: must leave the clients",
        ),
        ('"fedbn"', "keep", r"arms\.a\.federate\.trainable: must let a layer that normalises train"),
        ('"ditto"', "linear_probe", r"arms\.a\.adapt\.trainable: must reach down .* received \'head\'"),
        ('"mr_mtl"', "knn", r"arms\.a\.adapt\.trainable: must reach down .* received \'head\'"),
    ],
)
def test_what_does_not_fit(tmp_path: Path, federate: str, adapt: str, says: str) -> None:
    with pytest.raises(SettingError, match=says):
        _study(tmp_path, federate, adapt).plan(tmp_path / "out")


@pytest.mark.parametrize(
    ("federate", "adapt"),
    [
        ('"fedper"', "linear_probe"),
        ('"ditto"', "keep"),
        ('"ditto"', "full_finetune"),
        ('["ditto", "fedavg"]', "linear_probe"),
        ('"fedsa_lora"', "full_finetune"),
    ],
)
def test_what_fits(tmp_path: Path, federate: str, adapt: str) -> None:
    assert [arm.name for arm in _study(tmp_path, federate, adapt).plan(tmp_path / "out").arms] == ["a"]


def test_who_is_alone_has_nobody_to_learn_with(tmp_path: Path) -> None:
    path = write_study(tmp_path)
    table = tmp_path / "clients.csv"
    table.write_text(re.sub(r"site-\d", "site-0", table.read_text()))
    with pytest.raises(SettingError, match=r"^data\.client: must tell two clients or more.* received 'site-0'"):
        Study.load(path).run(tmp_path / "out")
