"""A disk that fills up ends a study with one line; the same command goes on once there is room."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from headstart.core.disk import DiskError
from headstart.study.study import Study
from tiny_study import numbers, open_tiny, read_records

MAIN = "from headstart.cli import main; main()"
STUDY = {"more": "[tuning]\ntrials = 2"}
_MOUNT = shutil.which("mount") or "mount"
_UMOUNT = shutil.which("umount") or "umount"


def comparable(out: Path) -> object:
    """What a folder says, whichever run was recorded last."""
    found = numbers(out)
    return {**found, "records": sorted(found["records"], key=lambda line: (line["arm"], line["seed"]))}


class Disk:
    """A disk that has room for so many synced writes."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.room = 0
        self._sync = os.fsync
        patch.setattr(os, "fsync", self._fsync)

    def _fsync(self, descriptor: int) -> None:
        self.room -= 1
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._sync(descriptor)


def stopped(study: Study, out: Path, disk: Disk, room: int) -> bool:
    """Run the study with room for so many writes, and say whether that stopped it."""
    disk.room = room
    try:
        study.run(out)
    except DiskError as error:
        said = str(error)
    else:
        return False
    assert "cannot be written (the disk is full" in said
    assert not list(out.rglob("*.tmp"))
    return True


def test_a_disk_that_fills_up_at_any_write_stops_the_study_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is judged without the arm that it struck, and no trial counts as failed."""
    study = open_tiny(tmp_path, **STUDY)
    study.run(tmp_path / "right")
    with monkeypatch.context() as patch:
        disk, stops = Disk(patch), 0
        while stopped(study, tmp_path / "out", disk, room=stops + 1):
            stops += 1
    assert stops > 8
    assert comparable(tmp_path / "out") == comparable(tmp_path / "right")


def test_a_folder_that_vanishes_while_a_study_runs_is_no_verdict_of_half_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, sync, count = open_tiny(tmp_path, **STUDY), os.fsync, iter(range(10**6))

    def vanishing(descriptor: int) -> None:
        sync(descriptor)
        if next(count) == 12:
            shutil.rmtree(tmp_path / "out")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", vanishing)
        with pytest.raises(DiskError, match=r"its folder is gone.*; make the folder again"):
            study.run(tmp_path / "out")
    study.run(tmp_path / "out")
    study.run(tmp_path / "right")
    assert comparable(tmp_path / "out") == comparable(tmp_path / "right")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real disk of 200 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        [_MOUNT, "-t", "tmpfs", "-o", "size=200k", "none", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("this user may not mount disks")
    try:
        yield folder
    finally:
        subprocess.run([_UMOUNT, str(folder)], check=True)


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_the_study_goes_on(small_disk: Path, tmp_path: Path) -> None:
    study = open_tiny(tmp_path, **STUDY)
    study.run(tmp_path / "right")
    command = [sys.executable, "-c", MAIN, "study", str(tmp_path / "study.toml"), "--out", str(small_disk / "o")]
    environment = {**os.environ, "HEADSTART_CACHE": str(tmp_path / "cache"), "COLUMNS": "300"}
    first = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert first.returncode == 1, first
    said = [line for line in first.stderr.splitlines() if "error" in line]
    assert len(said) == 1
    assert "cannot be written (the disk is full" in said[0]
    assert "Traceback" not in first.stderr
    subprocess.run([_MOUNT, "-o", "remount,size=20m", str(small_disk)], check=True)
    second = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert second.returncode == 0, second
    assert comparable(small_disk / "o") == comparable(tmp_path / "right")
    assert read_records(small_disk / "o")


def test_a_clock_that_jumps_changes_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Backwards by years, and forwards; files get times of the future, and the study goes on in the folder."""
    study = open_tiny(tmp_path, **STUDY)
    study.run(tmp_path / "right")
    jumps = iter(range(10**6))
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: 1e9 * (next(jumps) % 3))
        study.run(tmp_path / "out", arms=["fedavg"])
        for number, path in enumerate(sorted((tmp_path / "out").rglob("*.json"))):
            os.utime(path, (4e9 * (number % 2), 4e9 * (number % 2)))
        study.run(tmp_path / "out")
    assert comparable(tmp_path / "out") == comparable(tmp_path / "right")
