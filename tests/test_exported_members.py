"""The package's face: what `import headstart` gives is what the documentation tells, no more and no less."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

import headstart

PAGE = (Path(__file__).parents[1] / "docs" / "api.md").read_text()
NAMES = [name for name in headstart.__all__ if name != "__version__"]


def told() -> set[str]:
    """Return the names in the page's table of what `import headstart` gives."""
    return set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))


def documented() -> set[str]:
    """Return the dotted names that the page shows with their docstrings; a module alone stands for all of it."""
    found = set()
    for home, members in re.findall(r"^::: (\S+)\n(?:    options: \{ (?:members: \[([^\]]*)\])?)?", PAGE, re.MULTILINE):
        found |= {f"{home}.{member.strip()}" for member in members.split(",")} if members else {home}
    return found


def test_the_face_is_what_is_told() -> None:
    assert set(headstart.__all__) == told()


def test_the_face_is_sorted_and_says_each_name_once() -> None:
    assert headstart.__all__ == sorted(set(headstart.__all__))


@pytest.mark.parametrize("name", NAMES)
def test_each_name_is_documented_where_it_is_defined(name: str) -> None:
    member = getattr(headstart, name)
    assert {member.__module__, f"{member.__module__}.{name}"} & documented()


@pytest.mark.parametrize("name", NAMES)
def test_each_name_has_a_docstring_of_its_own(name: str) -> None:
    assert (getattr(headstart, name).__doc__ or "").strip()


@pytest.mark.parametrize("name", headstart.__all__)
def test_each_name_is_seen_and_can_be_imported(name: str) -> None:
    assert name in dir(headstart)
    assert getattr(importlib.import_module("headstart"), name) is not None


def test_other_names_are_an_error() -> None:
    with pytest.raises(AttributeError, match="module 'headstart' has no attribute 'runn'"):
        headstart.runn  # noqa: B018


def test_the_version_is_the_projects() -> None:
    project = (Path(__file__).parents[1] / "pyproject.toml").read_text()
    assert f'\nversion = "{headstart.__version__}"\n' in project
