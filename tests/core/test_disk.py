"""A disk that takes no more ends a write in one line, and leaves nothing half-written behind."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from headstart.core.disk import DiskError, writing
from headstart.core.files import append_json_line, read_json, write_atomically, write_json, write_text
from headstart.models.weights import save

FULL = "/dev/full"
needs_full = pytest.mark.skipif(not Path(FULL).exists(), reason="only some systems have a device that is always full")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EACCES])
def test_what_the_disk_says_is_one_line(number: int, tmp_path: Path) -> None:
    with pytest.raises(DiskError, match=r"cannot be written \(.+\); make room") as error, writing(tmp_path / "a"):
        raise OSError(number, "as it happens")
    assert "\n" not in str(error.value)


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


@needs_full
def test_what_was_there_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_json(tmp_path / "a.json", {"a": 1})

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    for attempt in (
        lambda: write_json(tmp_path / "a.json", {"a": 2}),
        lambda: write_text(tmp_path / "b", "b"),
        lambda: save(tmp_path / "c.safetensors", {"w": torch.zeros(3)}),
        lambda: append_json_line(tmp_path / "d.jsonl", {"d": 1}),
    ):
        with pytest.raises(DiskError, match="cannot be written"):
            attempt()
    monkeypatch.undo()
    assert read_json(tmp_path / "a.json") == {"a": 1}
    assert {path.name for path in tmp_path.iterdir()} == {"a.json", "d.jsonl"}
