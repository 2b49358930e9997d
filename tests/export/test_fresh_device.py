"""A device that has nothing but headstart-edge: study, export, a fresh environment, fine-tune, predict."""

import subprocess
import venv
from pathlib import Path

import numpy as np
import pytest

from headstart.core.arrays import Array
from headstart.export import export_arm
from headstart.export.finished import Finished, open_finished
from headstart.study.study import Study

pytest.importorskip("onnx")
pytestmark = pytest.mark.slow

EDGE = Path(__file__).parents[2] / "edge"
STUDY = """
name = "fresh"
seeds = [0]
[data]
source    = "digits"
partition = { method = "dirichlet_clients", num_clients = 4, alpha = 0.5, min_examples = 20 }
central   = { source = "glyphs" }
[model]
backbone = "small-cnn"
[training]
batch_size = 16
momentum   = 0.9
[decision]
baseline = "probe"
metric   = "accuracy"
[arms.probe]
start = { method = "pretrain", epochs = 5, client_lr = 0.02 }
adapt = { method = "linear_probe", epochs = 20, client_lr = 0.02 }
"""
WITHOUT_TORCH = "import sys, headstart_edge.cli; sys.exit('torch' in sys.modules or 'headstart' in sys.modules)"


def _write(folder: Path, finished: Finished, rows: Array) -> Path:
    examples = finished.lab.federation.examples
    for row in rows:
        own = folder / examples.classes[examples.labels[row]]
        own.mkdir(parents=True, exist_ok=True)
        np.save(own / f"{row:05}.npy", examples.inputs[row])
    return folder


def test_a_device_with_nothing_but_its_runtime(tmp_path: Path) -> None:
    (tmp_path / "fresh.toml").write_text(STUDY)
    Study.load(tmp_path / "fresh.toml").run(tmp_path / "run")
    export_arm(tmp_path / "run", "probe", tmp_path / "bundle")
    finished = open_finished(tmp_path / "run", "probe")
    client = max(finished.pipeline.federation.clients, key=lambda one: len(one.train))
    own = _write(tmp_path / "own", finished, client.train)
    new = _write(tmp_path / "new", finished, np.concatenate([client.val, client.test]))
    venv.create(tmp_path / "venv", with_pip=True)
    programs = tmp_path / "venv" / "bin"
    subprocess.run([programs / "pip", "install", "-q", str(EDGE)], check=True)
    subprocess.run([programs / "python", "-c", WITHOUT_TORCH], check=True, cwd=tmp_path)

    def device(*words: object) -> str:
        command = [str(programs / "headstart-edge"), *map(str, words)]
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path).stdout

    def accuracy() -> float:
        lines = (line.split() for line in device("evaluate", "bundle", new).splitlines())
        return next(float(value) for name, value in lines if name == "accuracy")

    before = accuracy()
    device("finetune", "bundle", own)
    assert accuracy() > before + 0.1
    assert len(device("predict", "bundle", new).splitlines()) >= len(client.val) + len(client.test)
    device("reset", "bundle")
    assert accuracy() == before
