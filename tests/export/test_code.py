"""The code that goes with weights."""

import ast
import json
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

from headstart.core.task import Task, TaskKind
from headstart.data.examples import InputKind
from headstart.export.code import OWN, SCORES, Code, network_code
from headstart.models.losses import loss_of

BUILD = Code(build="def build():\n    return nn.Linear(2, 2)\n")


@pytest.mark.parametrize("kind", get_args(InputKind))
@pytest.mark.parametrize("code", [BUILD, OWN], ids=["built", "own"])
def test_what_is_written_is_python_that_knows_nothing_of_headstart(kind: InputKind, code: Code) -> None:
    text = network_code(code, kind, "classification", "model.pth")
    tree = ast.parse(text)
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert names >= {"load", "prepare", "predictions"}
    assert ("build" in names) == (code is BUILD)
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert "headstart" not in modules | {
        str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
    }


@pytest.mark.parametrize("kind", get_args(TaskKind))
def test_scores_mean_what_the_studys_loss_makes_of_them(kind: TaskKind, tmp_path: Path) -> None:
    scaled: dict[str, Any] = {"centers": (1.0, 5.0), "scales": (2.0, 3.0)} if kind == "regression" else {}
    task = Task(kind=kind, outputs=("a", "b"), **scaled)
    (tmp_path / "labels.json").write_text(json.dumps(scaled))
    (tmp_path / "preprocessing.json").write_text("{}")
    path = tmp_path / "network.py"
    path.write_text(network_code(BUILD, "table", kind, "model.pth"))
    names: dict[str, Any] = {"__file__": str(path)}
    exec(compile(path.read_text(), str(path), "exec"), names)
    scores = torch.tensor([[0.5, -1.0], [2.0, 0.0]])
    torch.testing.assert_close(names["predictions"](scores), loss_of(task).predictions(scores))
    assert kind in SCORES
