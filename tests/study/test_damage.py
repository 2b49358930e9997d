"""Whatever happens to a file of a run folder: the same records and verdict come of it, a line says so, no traceback."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from headstart.core.damage import Damaged
from headstart.core.errors import DataError, HeadstartError
from headstart.core.progress import Silent
from headstart.export.finished import open_finished
from headstart.report import check_answer, write_report
from headstart.study.study import Study
from study.watch import Watch
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
    # That bit is of the words beside the numbers, which nothing reads.
    ("weights of adapt", "bit flipped at 0.3"),
}
"""What a run makes good without a word: what may as well never have been there."""


TOGETHER = [
    ("trial", "weights of adapt", "federation"),
    ("node of start", "node of adapt", "settings"),
    ("node of federate", "diagnosis", "clients.parquet"),
    ("weights of start", "verdict", "costs"),
    ("weights of federate", "devices", "predictions.parquet"),
    ("records", "tables"),
]
"""Files that are damaged at once, since a run takes its time; every file is among them."""


def check(tiny: tuple[Study, Path, dict[str, Any]], copied: Path, names: Sequence[str], damage: str) -> None:
    """Damage files, run the study again, and look for the same records and a line about each."""
    study, _, right = tiny
    paths = {name: FILES[name](copied) for name in names}
    for path in paths.values():
        DAMAGES[damage](path)
    told = Told()
    study.run(copied, progress=told)
    assert ordered(copied) == right
    for name, path in paths.items():
        said = [line for line in told.lines if path.name in line]
        assert len(said) == ((name, damage) not in QUIET), (name, told.lines)
        assert all("computed again" in line for line in said)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("names", TOGETHER, ids=" and ".join)
def test_damaged_files_change_nothing_and_are_said(
    tiny: tuple[Study, Path, dict[str, Any]], copied: Path, names: tuple[str, ...], damage: str
) -> None:
    check(tiny, copied, names, damage)


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", FILES)
def test_one_damaged_file_is_said_once(
    tiny: tuple[Study, Path, dict[str, Any]], copied: Path, name: str, damage: str
) -> None:
    check(tiny, copied, [name], damage)
    again = Told()
    tiny[0].run(copied, progress=again)
    assert again.lines == []


def test_every_file_is_damaged() -> None:
    assert sorted(name for names in TOGETHER for name in names) == sorted(FILES)


def test_a_good_folder_is_said_nothing_of(tiny: tuple[Study, Path, dict[str, Any]], copied: Path) -> None:
    told = Told()
    tiny[0].run(copied, progress=told)
    assert told.lines == []


def test_damaged_weights_take_no_finished_work_along(
    tiny: tuple[Study, Path, dict[str, Any]], copied: Path, watch: Watch
) -> None:
    """The rounds are made again, the adaptation that was made after them is not."""
    flipped(0.9)(FILES["weights of federate"](copied))
    tiny[0].run(copied)
    assert watch.nodes == {"federate": 1}


@pytest.mark.parametrize("name", ["records", "verdict", "diagnosis", "federation", "devices", "clients.parquet"])
@pytest.mark.parametrize("damage", ["empty", "cut", "garbage", "zeros", "folder", "bit flipped at 0.6"])
def test_what_only_reads_refuses_in_one_line(copied: Path, name: str, damage: str) -> None:
    path = FILES[name](copied)
    DAMAGES[damage](path)
    for read in (write_report, lambda out: check_answer(out, "both")):
        if name == "records" and damage in ("cut", "empty", "zeros"):
            continue  # as a kill leaves it: no run is finished, or the last one is not
        with pytest.raises(DataError, match=r"is damaged .*run the study again") as caught:
            read(copied)
        assert path.name in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", ["garbage", "folder", "bit flipped at 0.6"])
def test_the_plan_says_what_is_damaged_and_changes_nothing(
    tiny: tuple[Study, Path, dict[str, Any]], copied: Path, damage: str
) -> None:
    study, _, _ = tiny
    paths = [FILES[name](copied) for name in ("node of adapt", "weights of start", "settings")]
    for path in paths:
        DAMAGES[damage](path)
    before = {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()}
    slate = study.plan(copied)
    study.branches(slate, copied)
    (line,) = study.outdated(slate, copied)
    assert all(path.name in line for path in paths)
    assert {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("name", ["node of federate", "weights of federate", "records"])
@pytest.mark.parametrize("damage", ["empty", "garbage", "bit flipped at 0.6"])
def test_an_export_trains_nothing_in_the_place_of_what_is_damaged(
    tiny: tuple[Study, Path, dict[str, Any]], copied: Path, name: str, damage: str
) -> None:
    DAMAGES[damage](FILES[name](copied))
    says = "must be a finished arm" if (name, damage) == ("records", "empty") else r"is damaged .*run the study again"
    with pytest.raises(HeadstartError, match=says):
        open_finished(copied, "fedavg", study=tiny[1].parent / "study.toml")


def test_a_copy_of_the_study_file_that_says_something_else_is_not_exported(
    tiny: tuple[Study, Path, dict[str, Any]], copied: Path
) -> None:
    shutil.copy(tiny[1].parent / "clients.csv", copied)
    text = (copied / "study.toml").read_text()
    (copied / "study.toml").write_text(text.replace("batch_size = 8", "batch_size = 9"))
    with pytest.raises(Damaged, match=r"study\.toml' .*not what was run: training.batch_size was 8, is 9"):
        open_finished(copied, "fedavg")


@pytest.mark.parametrize("name", ["node of adapt", "weights of start", "records", "settings", "clients.parquet"])
def test_a_file_that_may_not_be_read_is_an_error_and_stays(
    tiny: tuple[Study, Path, dict[str, Any]], copied: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it is damaged nobody knows."""
    path, read, access = FILES[name](copied), Path.read_bytes, os.access

    def refused(one: Path) -> bytes:
        if one == path:
            raise PermissionError(13, "Permission denied", str(one))
        return read(one)

    # Root may read everything.
    monkeypatch.setattr(Path, "read_bytes", refused)
    monkeypatch.setattr(os, "access", lambda one, mode: one != path and access(one, mode))
    with pytest.raises(DataError, match=r"cannot be read .*make it readable") as caught:
        tiny[0].run(copied)
    assert not isinstance(caught.value, Damaged)
    assert path.exists()
