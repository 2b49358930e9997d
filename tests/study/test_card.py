"""A whole study on a card, there or pretending: equal records, but for what they were computed on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from headstart.core.device import CPU, name_of
from headstart.core.progress import Silent
from headstart.core.ragged import Ragged
from headstart.data.examples import Examples
from headstart.data.federation import Client, Federation
from headstart.study.study import Study
from headstart.study.written.arms import Arm
from headstart.testing import small_federation
from tiny_study import FEDAVG, close, open_tiny, read_records
from tiny_texts import draw_texts, save_encoder

ARMS = [
    Arm("head", start="pretrained", adapt="knn"),
    Arm("blocks", start="pretrained", federate={"method": "fedavg", "rounds": 1, "trainable": 1}, adapt="local_lda"),
    Arm("adapters", start="pretrained", federate={"method": "fedsa_lora", "rounds": 1}),
    Arm("closed", start="pretrained", federate="ridge", adapt="personal_ridge"),
    Arm("all", start="random", federate={"method": "fedprox", "rounds": 1}, adapt={"method": "lp_ft", "epochs": 1}),
]


def _on(study: Study, device: torch.device) -> Study:
    """Return the study on a device, as its settings would open it."""
    return Study.open(study.file, lab=replace(study.lab, device=device))


def _records(out: Path) -> list[dict[str, Any]]:
    return [{**line, "timing": None, "versions": None} for line in read_records(out)]


def _check(study: Study, card: torch.device, folder: Path) -> None:
    _on(study, CPU).run(folder / "here")
    _on(study, card).run(folder / "there")
    here, there = _records(folder / "here"), _records(folder / "there")
    assert len(here) == len(study.slate.arms) * len(study.file.settings.seeds)
    assert close(there, here, 1e-3)
    assert {line["versions"]["device"] for line in read_records(folder / "there")} == {name_of(card)}


def test_a_study_of_a_table(tmp_path: Path, card: torch.device) -> None:
    tables = {
        "fedavg": FEDAVG,
        "finetune": 'start = "random"\nadapt = { method = "linear_probe", epochs = 2 }',
        "ridge": 'start = "random"\nfederate = { method = "ridge" }\nadapt = { method = "local_ridge" }',
    }
    _check(open_tiny(tmp_path, arms=tables, seeds=[0]), card, tmp_path)


def _texts() -> Federation:
    labels = np.random.default_rng(0).integers(0, 2, 60)
    texts = Ragged.of_texts(draw_texts(labels))
    examples = Examples("text", texts, labels, [f"t{i}" for i in range(60)], ("good", "bad"))
    clients = [Client(f"c{i}", *np.split(np.arange(20) + 20 * i, [10, 14])) for i in range(3)]
    return Federation(examples, clients)


def test_a_study_of_texts_and_a_checkpoint(tmp_path: Path, card: torch.device) -> None:
    pytest.importorskip("transformers")
    backbone = str(save_encoder(tmp_path / "bert"))
    _check(Study(_texts(), ARMS, backbone=backbone, seeds=[0], trials=1, until="all"), card, tmp_path)


@dataclass
class _Heard(Silent):
    said: list[str] = field(default_factory=list)

    def warn(self, text: str) -> None:
        self.said.append(text)


def test_a_folder_goes_on_on_another_device_and_says_so(tmp_path: Path, card: torch.device) -> None:
    study, heard = open_tiny(tmp_path), _Heard()
    _on(study, CPU).run(tmp_path / "out", seeds=[0])
    _on(study, card).run(tmp_path / "out", progress=heard)
    devices = [(line["seed"], line["versions"]["device"]) for line in read_records(tmp_path / "out")]
    assert set(devices) == {(0, "cpu"), (1, name_of(card))}
    assert [line for line in heard.said if "computed on" in line] == [
        f"records of before were computed on cpu, those from now on are on {name_of(card)}: they count together, since "
        "their numbers differ by rounding alone"
    ]


def test_a_plan_and_a_diagnosis(tmp_path: Path, card: torch.device) -> None:
    study = _on(Study(small_federation(), seeds=[0], trials=1), card)
    slate = study.plan(tmp_path)
    assert sum(branch.seconds for branch in study.branches(slate, tmp_path)) > 0
    assert study.diagnose(tmp_path).as_json()["prediction"]
