"""The presets in studies/: all load, and a smaller twin of the ResNet-18 case runs to its verdict."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import pytest

from headstart.study.study import Study
from headstart.study.twins import Practice, without_twin
from headstart.study.written.load import load_study, parse_study

PRESETS = sorted((Path(__file__).parents[2] / "studies").glob("*.toml"))

needs_data = pytest.mark.skipif(
    not {"HEADSTART_DATA", "HEADSTART_WEIGHTS"} <= set(os.environ),
    reason="HEADSTART_DATA and HEADSTART_WEIGHTS must name the folders of the presets' data and checkpoints",
)


@needs_data
@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_preset_loads_under_its_own_name(preset: Path) -> None:
    study = load_study(preset)
    assert study.settings.name == preset.stem
    assert len(study.settings.seeds) >= 5


@needs_data
def test_every_arm_of_the_personal_preset_has_a_twin_that_stays_alone() -> None:
    study = load_study(next(path for path in PRESETS if path.stem == "personal"))
    assert without_twin(study.arms, Practice(clients=9, examples=40)) == {}


@needs_data
def test_a_small_twin_of_the_resnet18_case_reaches_its_verdict(tmp_path: Path) -> None:
    preset = next(path for path in PRESETS if path.stem == "cats-dogs-resnet18")
    table = tomllib.loads(preset.read_text())
    table |= {"seeds": [0], "evaluation": {"global_test_examples": 20}}
    table["data"] |= {"source": "$HEADSTART_DATA/images/cats_dogs_cifar10_test.parquet"}
    table["data"]["partition"] |= {"num_clients": 4, "min_examples": 10, "examples_per_client": 20}
    table["data"]["central"] |= {"source": "$HEADSTART_DATA/images/cifar10_test.parquet", "max_examples": 480}
    for arm in table["arms"].values():
        _shorten(arm)
    plan = Study.open(parse_study(table, tmp_path))
    verdict = plan.run(tmp_path / "run").verdict

    assert set(verdict.arms) == set(table["arms"])
    assert verdict.recommended in table["arms"]
    records = {line["arm"]: line for line in map(json.loads, (tmp_path / "run/records.jsonl").read_text().splitlines())}
    # The start is saved once and sent to every client; fine-tuning sends nothing back.
    assert records["finetune-head"]["costs"]["upload_bytes"] == 0
    assert records["finetune-head"]["costs"]["weights_bytes"] > 40_000_000
    assert len({records[arm]["nodes"][0] for arm in ("finetune-head", "finetune-full", "ridge-personal")}) == 1


def _shorten(arm: dict[str, object]) -> None:
    """Cut every stage to one pass, pre-training to a few, so that the twin takes seconds."""
    for stage in arm.values():
        if isinstance(stage, dict):
            passes = 4 if stage["method"] == "pretrain" else 1
            stage |= {name: passes for name in ("epochs", "rounds") if name in stage}
