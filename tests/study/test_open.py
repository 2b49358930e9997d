from __future__ import annotations

from pathlib import Path

import pytest
import torch

from headstart.core.errors import HeadstartError
from headstart.engine.ways.fleet import Fleet
from headstart.engine.ways.serial import Serial
from headstart.study.plan import references
from tiny_study import open_tiny


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
