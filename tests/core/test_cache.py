from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest

from headstart.core.cache import cache_folder, calibrations, images


def test_the_user_says_where_the_cache_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path


@pytest.mark.parametrize("unset", [None, ""])
def test_without_a_word_it_is_the_users_cache_folder(monkeypatch: pytest.MonkeyPatch, unset: str | None) -> None:
    monkeypatch.delenv("HEADSTART_CACHE")
    if unset is not None:
        monkeypatch.setenv("HEADSTART_CACHE", unset)
    assert cache_folder() == platformdirs.user_cache_path("headstart")


def test_each_kind_has_a_folder_of_its_own(tmp_path: Path) -> None:
    folders = {calibrations(tmp_path), images(tmp_path)}
    assert len(folders) == 2
    assert {folder.parent for folder in folders} == {tmp_path}
