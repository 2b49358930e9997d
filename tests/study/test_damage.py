"""Whatever happens to a file of a run folder: the same records and verdict come of it, a line says so, no traceback."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headstart.core.progress import Silent
from headstart.study.study import Study
from tiny_study import numbers, open_tiny, read_records

STUDY = {"more": '[tuning]\ntrials = 2\n[devices.phone]\ncompute = "1 GFLOP/s"'}


class Told(Silent):
    """Keeps notes."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def warn(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path, dict[str, Any]]:
    """The study, its finished folder, and what that says; the folder is to be copied."""
    folder = tmp_path_factory.mktemp("damage")
    study = open_tiny(folder, **STUDY)
    study.run(folder / "out")
    return study, folder / "out", ordered(folder / "out")


@pytest.fixture
def copied(tiny: tuple[Study, Path, dict[str, Any]], tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny[1], tmp_path / "out"))


def ordered(out: Path) -> dict[str, Any]:
    """What a folder says, whichever run was recorded last."""
    found = numbers(out)
    records = sorted(found["records"], key=lambda line: (line["arm"], line["seed"]))
    rows = sorted(found["clients"], key=lambda row: json.dumps(row))
    return {**found, "records": records, "clients": rows}


def node_of(kind: str) -> Callable[[Path], Path]:
    """Return what finds the node of a kind that the first record rests on."""

    def find(out: Path) -> Path:
        (line, *_) = read_records(out)
        paths = [out / "nodes" / f"{key}.json" for key in line["nodes"]]
        return next(path for path in paths if json.loads(path.read_text())["kind"] == kind)

    return find


def trial(out: Path) -> Path:
    """Find a trial's last node."""
    every = {path: json.loads(path.read_text()) for path in sorted((out / "nodes").glob("*.json"))}
    return next(path for path, facts in every.items() if facts["kind"] == "adapt" and facts["weights"] is None)


def weights_of(kind: str) -> Callable[[Path], Path]:
    """Return what finds the weights of that node."""

    def find(out: Path) -> Path:
        return out / "weights" / f"{json.loads(node_of(kind)(out).read_text())['weights']}.safetensors"

    return find


def named(name: str) -> Callable[[Path], Path]:
    return lambda out: out / name


WORK = {
    "trial": trial,
    **{f"node of {kind}": node_of(kind) for kind in ("start", "federate", "adapt")},
    **{f"weights of {kind}": weights_of(kind) for kind in ("start", "federate", "adapt")},
    "records": named("records.jsonl"),
}
FACTS = {
    name: named(f"{name}.json")
    for name in ("federation", "settings", "diagnosis", "verdict", "costs", "devices", "tables")
}
TABLES = {name: named(name) for name in ("clients.parquet", "predictions.parquet")}
FILES = {**WORK, **FACTS, **TABLES}


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def garbage(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 3 + b"\n")


def zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def other_kind(path: Path) -> None:
    path.write_text("[1, 2]\n")


def lacking(path: Path) -> None:
    path.write_text('{"kind": "adapt", "arm": "fedavg", "seed": 0}\n')


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "file").touch()


def missing(path: Path) -> None:
    path.unlink()


def flipped(share: float) -> Callable[[Path], None]:
    """Return what flips a bit at a place of a file: of a digit's lowest, so that text stays text."""

    def flip(path: Path) -> None:
        content = bytearray(path.read_bytes())
        place = int(share * (len(content) - 1))
        if path.suffix in (".json", ".jsonl"):
            place = next(i for i in range(place, len(content)) if content[i : i + 1].isdigit())
        content[place] ^= 1
        path.write_bytes(content)

    return flip


DAMAGES = {
    **{damage.__name__: damage for damage in (empty, cut, garbage, zeros, other_kind, lacking, folder, missing)},
    **{f"bit flipped at {share}": flipped(share) for share in (0.0, 0.3, 0.6, 0.95)},
}
QUIET = {(name, "missing") for name in ("trial", "node of start", "node of federate", *FACTS, *TABLES)} | {
    *(("weights of start", "missing"), ("weights of federate", "missing")),
    # Nothing that they must say is lacking: they are as good as those of before.
    *((name, "lacking") for name in ("costs", "devices", "tables")),
    # That bit is of the words beside the numbers, which nothing reads.
    ("weights of adapt", "bit flipped at 0.3"),
}
"""What a run makes good without a word: what may as well never have been there."""


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_changes_nothing_and_is_said(
    tiny: tuple[Study, Path, dict[str, Any]], copied: Path, name: str, damage: str
) -> None:
    study, _, right = tiny
    path = FILES[name](copied)
    DAMAGES[damage](path)
    told = Told()
    study.run(copied, progress=told)
    assert ordered(copied) == right
    said = [line for line in told.lines if path.name in line]
    assert len(said) == ((name, damage) not in QUIET), told.lines
    assert all("computed again" in line for line in said)
    again = Told()
    study.run(copied, progress=again)
    assert again.lines == []
