"""A study whose disk becomes full ends in one line, and goes on to the same records when there is room again."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from headstart.core.disk import DiskError
from tiny_study import numbers, open_tiny

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="a disk of its own needs root"),
]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 16 kB, which the test can enlarge."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", folder], capture_output=True)
    if done.returncode:
        pytest.skip("this system lets nobody mount")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_one_line_and_the_study_goes_on(disk: Path, tmp_path: Path) -> None:
    study = open_tiny(tmp_path)
    study.run(tmp_path / "whole")
    said = []
    for kilobytes in (*range(16, 200, 8), 20_000):
        subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", disk], check=True)
        try:
            study.run(disk / "out")
        except DiskError as error:
            said.append(str(error))
        else:
            break
    assert len(said) > 3
    assert all("cannot be written (the disk is full)" in line and "\n" not in line for line in said)
    assert numbers(disk / "out") == numbers(tmp_path / "whole")
