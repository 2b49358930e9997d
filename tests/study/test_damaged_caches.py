"""What studies share is compared with its checksum too: damaged starts, activations and step times are made again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headstart.core.files import write_json
from headstart.core.progress import Silent
from headstart.study.study import Study
from tiny_study import read_records

STUDY = """
name = "shared"
seeds = [0]
[data]
source       = "digits"
max_examples = 120
partition    = { method = "iid", num_clients = 3 }
central      = { source = "glyphs", max_examples = 200 }
[model]
backbone = "small-cnn"
[training]
batch_size = 8
[tuning]
trials = 1
[engine]
device = "cpu"
[decision]
baseline = "probe"
[arms.probe]
start    = { method = "pretrain", epochs = 2, client_lr = 0.05 }
federate = { method = "fedavg", rounds = 1, trainable = "head" }
"""
SHARED = {
    "node of a start": "starts/nodes/*.json",
    "weights of a start": "starts/weights/*.safetensors",
    "activations": "activations/*.npy",
    "step times": "calibrations/*.json",
}


class Told(Silent):
    """Keeps notes."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def warn(self, text: str) -> None:
        self.lines.append(text)


def run(study: Path, cache: Path, out: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Run the study with a cache; return its records but for timing, and what it noted."""
    told = Told()
    Study.load(study, cache=cache, progress=told).run(out, progress=told)
    return [{**line, "timing": None} for line in read_records(out)], told.lines


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """A folder with the study and a cache, and the study's records."""
    folder = tmp_path_factory.mktemp("shared")
    (folder / "study.toml").write_text(STUDY)
    # This study is too small for steps to be timed.
    write_json(folder / "cache" / "calibrations" / "another.json", {"loop": {"1": 0.5}, "stack": None, "slowdown": 1.0})
    return folder, run(folder / "study.toml", folder / "cache", folder / "out")[0]


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def garbage(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 3)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-50] ^= 1
    path.write_bytes(content)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "file").touch()


@pytest.mark.parametrize("names", [("node of a start", "activations", "step times"), ("weights of a start",)])
@pytest.mark.parametrize("damage", [empty, cut, garbage, flip, folder])
def test_a_damaged_cache_changes_nothing_and_is_said(
    before: tuple[Path, list[dict[str, Any]]], tmp_path: Path, names: tuple[str, ...], damage: Callable[[Path], None]
) -> None:
    shutil.copytree(before[0] / "cache", tmp_path / "cache")
    paths = [sorted((tmp_path / "cache").glob(SHARED[name]))[0] for name in names]
    for path in paths:
        damage(path)
    found, said = run(before[0] / "study.toml", tmp_path / "cache", tmp_path / "out")
    assert found == before[1]
    assert sorted(line.partition(" is damaged")[0] for line in said) == sorted(path.name for path in paths)
    assert all(line.endswith("it is computed again") for line in said)
