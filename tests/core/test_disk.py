"""What cannot be written is one line, and leaves nothing that is half written."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from headstart.core.checked import write_table
from headstart.core.disk import DiskError, allocate, writing
from headstart.core.files import (
    append_json_line,
    read_json,
    read_json_lines,
    write_atomically,
    write_json,
    write_json_lines,
    write_text,
)
from headstart.engine.features.partial import PartialArray
from headstart.engine.privates import PrivateStore
from headstart.models import weights

FULL = "/dev/full"
needs_full = pytest.mark.skipif(not Path(FULL).exists(), reason="only some systems have a device that is always full")
SAYS = r"^'.*' cannot be written \(.*\); .*, or give another folder; finished work is kept: run the same command to"


def write_array(path: Path) -> None:
    with PartialArray(path) as file:
        array = file.create((2000, 3), np.dtype(np.float32))
        array[:] = 1
        file.finish(array)


WRITERS: dict[str, Callable[[Path], Any]] = {
    "a.json": lambda path: write_json(path, {"a": 1}),
    "a.txt": lambda path: write_text(path, "words"),
    "a.jsonl": lambda path: append_json_line(path, {"a": 1}),
    "b.jsonl": lambda path: write_json_lines(path, [{"a": 1}]),
    "a.safetensors": lambda path: weights.save(path, {"w": torch.ones(2000)}),
    "a.parquet": lambda path: write_table(path, lambda temporary: write_text(temporary, "table")),
    "a.npy": write_array,
}


def refuse(monkeypatch: pytest.MonkeyPatch, number: int = errno.ENOSPC) -> None:
    """Have the system refuse what is synced to the disk, or set aside on it."""

    def refused(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    for name in ("fsync", "posix_fallocate"):
        monkeypatch.setattr(os, name, refused)


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_one_line_and_nothing_is_left(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch)
    with pytest.raises(DiskError, match=SAYS) as caught:
        WRITERS[name](tmp_path / name)
    said = str(caught.value)
    assert "the disk is full" in said
    assert " free)" in said
    assert "\n" not in said
    assert [path for path in tmp_path.iterdir() if path.stat().st_size] == []


@pytest.mark.parametrize("name", WRITERS)
def test_once_there_is_room_the_same_is_written(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as full:
        refuse(full)
        with pytest.raises(DiskError):
            WRITERS[name](tmp_path / name)
    WRITERS[name](tmp_path / name)
    assert (tmp_path / name).stat().st_size


@pytest.mark.parametrize("name", sorted(set(WRITERS) - {"a.jsonl", "a.npy"}))
def test_what_was_there_before_stays(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / name).write_bytes(b"before")
    refuse(monkeypatch)
    with pytest.raises(DiskError):
        WRITERS[name](tmp_path / name)
    assert (tmp_path / name).read_bytes() == b"before"


def test_lines_before_a_full_disk_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl"
    append_json_line(path, {"seed": 0})
    with monkeypatch.context() as full:
        refuse(full)
        with pytest.raises(DiskError, match=r"[0-9]+ B wanted"):
            append_json_line(path, {"seed": 1})
    assert read_json_lines(path) == [{"seed": 0}]
    append_json_line(path, {"seed": 2})
    assert read_json_lines(path) == [{"seed": 0}, {"seed": 2}]


@pytest.mark.parametrize(
    ("number", "way"),
    [
        (errno.ENOSPC, "the disk is full.*; make room there"),
        (errno.EDQUOT, "the quota is used up.*; make room there"),
        (errno.EFBIG, "raise that limit"),
        (errno.EROFS, "mount it writable"),
        (errno.EACCES, "make it writable for this user"),
        (errno.EIO, "see to the disk"),
    ],
)
def test_each_cause_has_its_way_out(number: int, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, number)
    with pytest.raises(DiskError, match=way):
        write_json(tmp_path / "a.json", {})


def test_a_limit_on_sizes_is_met_by_safetensors_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is written by another language, which says the system's number in its words."""
    monkeypatch.setattr(weights, "save_file", lambda *_: os_error(28))
    with pytest.raises(DiskError, match=r"the disk is full, 8 kB wanted, .* free"):
        weights.save(tmp_path / "a.safetensors", {"w": torch.ones(2000)})


def os_error(number: int) -> None:
    from safetensors import SafetensorError

    raise SafetensorError(f"Error while serializing: I/O error: the disk is full (os error {number})")


@pytest.mark.parametrize("name", sorted(set(WRITERS) - {"b.jsonl"}))
def test_a_file_in_the_folders_place_is_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file")
    with pytest.raises(DiskError, match=r"a file stands in its folder's place.*; remove that file"):
        WRITERS[name](tmp_path / "folder" / name)


def test_private_trees_ask_for_room_before_they_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mapped memory without room behind it would end the process."""
    store, ones = PrivateStore({"head": torch.zeros(2)}, 3), {"head": torch.ones(1, 2)}
    store.put(np.array([2]), ones)
    refuse(monkeypatch)
    store.put(np.array([2]), {"head": 2 * ones["head"]})  # has its room
    with pytest.raises(DiskError, match=r"private trees' cannot be written \(the disk is full, 8 B wanted"):
        store.put(np.array([1]), ones)
    assert store.members.tolist() == [2]


def test_errors_of_others_are_left_alone() -> None:
    with pytest.raises(ZeroDivisionError), writing(Path("a")):
        _ = 1 / 0


def _as_text(path: Path) -> None:
    path.write_text("x" * 10_000)


def _as_array(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros(5000))


def _as_table(path: Path) -> None:
    pq.write_table(pa.table({"a": np.arange(5000)}), path)


@needs_full
@pytest.mark.parametrize("write", [_as_text, _as_array, _as_table])
def test_a_full_disk_is_one_line_whatever_writes(write: Callable[[Path], None], tmp_path: Path) -> None:
    def into_the_full_one(temporary: Path) -> None:
        temporary.symlink_to(FULL)
        write(temporary)

    with pytest.raises(DiskError, match="the disk is full"):
        write_atomically(tmp_path / "a", into_the_full_one)
    assert not list(tmp_path.iterdir())


def test_the_innermost_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="'inner'"), writing(tmp_path / "outer"), writing(Path("inner")):
        raise OSError(errno.EIO, "Input/output error")


def test_room_is_set_aside(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb") as file:
        allocate(file.fileno(), 0, 4096)
    assert (tmp_path / "a").stat().st_blocks * 512 >= 4096
    assert read_json(tmp_path / "none.json") is None
