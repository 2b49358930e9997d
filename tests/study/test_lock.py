from __future__ import annotations

import multiprocessing
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from headstart.core.errors import SettingError
from headstart.study.lock import only_one


def test_a_folder_is_made_and_free_again_after(tmp_path: Path) -> None:
    for _ in range(2):
        with only_one(tmp_path / "new" / "out"):
            assert (tmp_path / "new" / "out").is_dir()


def test_a_second_holder_is_refused_with_a_way_out(tmp_path: Path) -> None:
    refused = pytest.raises(SettingError, match=r"--out: another process .* give another folder")
    with only_one(tmp_path), refused, only_one(tmp_path):
        pass


def test_an_error_inside_frees_the_folder(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), only_one(tmp_path):
        raise ZeroDivisionError
    with only_one(tmp_path):
        pass


def hold(folder: Path, pipe: Connection) -> None:
    with only_one(folder):
        pipe.send("held")
        pipe.recv()


def test_the_system_frees_the_folder_of_a_killed_process(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=hold, args=(tmp_path, theirs))
    process.start()
    try:
        assert ours.recv() == "held"
        with pytest.raises(SettingError, match="another process"), only_one(tmp_path):
            pass
    finally:
        process.kill()
        process.join()
    with only_one(tmp_path):
        pass
