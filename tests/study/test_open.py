from __future__ import annotations

from pathlib import Path

import pytest
import torch

from headstart.core.errors import HeadstartError
from headstart.core.progress import Silent
from headstart.engine.ways.fleet import Fleet
from headstart.engine.ways.serial import Serial
from headstart.study.plan import references
from headstart.study.run.nodes import NodeStore
from headstart.study.study import Study
from headstart.study.written.load import load_study, on_device
from headstart.study.written.schema import study_hash
from tiny_study import open_tiny, write_study


def test_the_plan_is_what_the_file_says(tmp_path: Path) -> None:
    plan = open_tiny(tmp_path)
    assert [arm.name for arm in plan.slate.arms] == ["fedavg", "fedavg-finetune"]
    assert plan.file.text == (tmp_path / "study.toml").read_text()
    assert (plan.lab.dtype, type(plan.lab.engine), plan.slate.ruled_out) == (torch.float32, Fleet, {})


def test_the_engine_is_chosen(tmp_path: Path) -> None:
    plan = open_tiny(tmp_path, more='[engine]\nname = "serial"\ndtype = "float64"')
    assert (plan.lab.dtype, type(plan.lab.engine)) == (torch.float64, Serial)


def test_without_arms_the_slate_takes_the_studys_defaults(tmp_path: Path) -> None:
    plan = open_tiny(tmp_path, arms={})
    names = [arm.name for arm in plan.slate.arms]
    assert names[:2] == ["local", "pooled"]
    assert {"finetune-head", "local-ridge", "ridge"} < set(names), "columns are features"
    assert plan.slate.arms[0].adapt.settings["batch_size"] == 8
    assert "fedavg-pretrained" in plan.slate.ruled_out
    assert references(plan.slate.arms) == {"pooled", "pooled-personal"}


def test_opening_writes_nothing(tmp_path: Path) -> None:
    open_tiny(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"clients.csv", "study.toml"}


@pytest.mark.parametrize("data", ['columns = ["a", "f"]', 'classes = ["cat", "dog"]', "held_out_clients = 1.5"])
def test_data_that_break_a_rule_are_one_line_each(tmp_path: Path, data: str) -> None:
    with pytest.raises(HeadstartError) as caught:
        open_tiny(tmp_path, data=data)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ('device = "gpu"', "engine.device: must be auto, cpu, cuda, or cuda: with a card's number"),
        ('device = "mps"', "must have float64"),
        ('precision = "fp8"', "engine.precision: must be 'float32', 'tf32' or 'bf16'"),
        ('precision = "tf32"\ndevice = "cpu"', "'tf32' is for NVIDIA's cards"),
        ('precision = "bf16"\ndtype = "float64"', "'bf16' with dtype = 'float64'; leave one of them out"),
    ],
)
def test_a_device_or_a_precision_that_cannot_be_is_one_line(tmp_path: Path, more: str, error: str) -> None:
    with pytest.raises(HeadstartError) as caught:
        open_tiny(tmp_path, more=f"[engine]\n{more}")
    assert error in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_processes_cannot_share_a_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(HeadstartError, match="processes cannot share the device 'cuda:0', received 'workers'"):
        open_tiny(tmp_path, more='[engine]\nway = "workers"\ndevice = "cuda"')


def test_a_caller_may_say_the_device(tmp_path: Path) -> None:
    file = load_study(write_study(tmp_path, more='[engine]\ndevice = "cuda:9"\nprecision = "tf32"'))
    lab = Study.open(file, device=torch.device("cpu")).lab
    assert (lab.device, lab.precision) == (torch.device("cpu"), "tf32")
    assert on_device(file, "cpu").settings.engine.device == "cpu"
    with pytest.raises(HeadstartError, match="--device: must be auto"):
        on_device(file, "gpu")


def test_a_rounded_study_has_other_names(tmp_path: Path) -> None:
    exact, rounded = open_tiny(tmp_path), open_tiny(tmp_path, more='[engine]\nprecision = "bf16"')
    arm, store = exact.slate.arms[1], NodeStore(tmp_path)
    names = [
        (p.start_key(arm.start), p.trunk_key(arm), p.leaf_key("same", arm.adapt, ("val",)))
        for p in (study.pipeline(store, 0, Silent()) for study in (exact, rounded))
    ]
    assert all(one != other for one, other in zip(*names, strict=True))
    assert study_hash(exact.file.settings) != study_hash(rounded.file.settings)
