from __future__ import annotations

from pathlib import Path

import pytest

from headstart.study.init.where import pool_beside, source_name


def test_paths_start_at_the_study_files_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("data", "studies"):
        (tmp_path / folder).mkdir()
    assert source_name("data/x.csv", Path("studies")) == "../data/x.csv"
    assert source_name(str(tmp_path / "data" / "x.csv"), tmp_path) == "data/x.csv"


def test_a_folder_that_is_called_as_embedded_data_stays_a_folder(tmp_path: Path) -> None:
    assert source_name("digits", tmp_path) == "digits"
    assert source_name(str(tmp_path / "digits"), tmp_path) == "./digits"
    assert source_name("hub:mnist", tmp_path) == "hub:mnist"


def test_the_way_through_a_link_is_the_real_one(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "a" / "b")
    (tmp_path / "x.csv").touch()
    name = source_name(str(tmp_path / "x.csv"), tmp_path / "link")
    assert (tmp_path / "link" / name).resolve() == tmp_path / "x.csv"


def test_finds_the_pool_beside(tmp_path: Path) -> None:
    for folder in ("wards", "public", ".hidden"):
        (tmp_path / folder).mkdir()
    assert pool_beside(str(tmp_path / "wards"), tmp_path) == "public"
    assert pool_beside(str(tmp_path / "public"), tmp_path) is None
    (tmp_path / "central").mkdir()
    assert pool_beside(str(tmp_path / "wards"), tmp_path) is None
    assert pool_beside("digits", tmp_path) is None
