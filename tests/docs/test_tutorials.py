"""Every tutorial, done in an empty folder as its reader would: what it shows is what is printed."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import pytest

from docs.pages import DOCS
from docs.tutorial import MARKS, NOT_TYPED, Typed, check, do, missing, steps

FAST: set[str] = set()
"""None: the shortest takes a minute of a core."""
NEEDS = {"texts": "transformers", "images": "transformers", "federation": "flwr", "cluster": "ray"}
NEEDS_DATA = {"images", "texts"}
LEFT_OUT = {
    ("cluster", "another machine"): 5,
    ("cluster", "install"): 1,
    ("device", "install"): 2,
    ("federation", "another machine"): 3,
    ("federation", "install"): 1,
    ("images", "download"): 2,
    ("images", "install"): 1,
    ("texts", "download"): 2,
    ("texts", "install"): 1,
}
"""How many commands of each page no test types."""
TUTORIALS = {page.stem: page for page in sorted((DOCS / "tutorials").glob("*.md"))}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in TUTORIALS]
)
def test_a_tutorial_prints_what_it_shows(name: str, tmp_path: Path) -> None:
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    if name in NEEDS_DATA and "HEADSTART_DATA" not in os.environ:
        pytest.skip("HEADSTART_DATA is unset: no folder of public data")
    do(TUTORIALS[name], tmp_path)


def test_there_are_seven() -> None:
    assert set(TUTORIALS) == {"images", "texts", "tables", "device", "federation", "cluster", "network"}


def test_what_is_not_typed_is_little_and_known() -> None:
    typed = [step for page in TUTORIALS.values() for step in steps(page) if isinstance(step, Typed)]
    pairs = [(name, step) for name, page in TUTORIALS.items() for step in steps(page)]
    left_out = Counter((name, step.mark) for name, step in pairs if isinstance(step, Typed) and step.mark in NOT_TYPED)
    assert left_out == LEFT_OUT
    assert len(typed) > 4 * left_out.total()


@pytest.mark.parametrize("name", TUTORIALS)
def test_a_tutorial_has_its_parts(name: str) -> None:
    text = TUTORIALS[name].read_text()
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert {"What you will have", "Your own data", "Common errors"} <= {*headings}
    assert [step for step in steps(TUTORIALS[name]) if isinstance(step, Typed) and step.mark == "fails"]


@pytest.mark.parametrize(
    ("shown", "lacking"),
    [
        ("one\ntwo\nthree", ""),
        ("one\n…", ""),
        ("…\nthree", ""),
        ("…\ntwo\n…", ""),
        ("one\n…\nthree", ""),
        ("one\nthree", "one\nthree"),
        ("two\n…", "two"),
        ("…\ntwo", "two"),
        ("three\n…\none\n…", "three"),
        ("…\nthree\n…\ntwo\n…", "two"),
        ("…\none  two\n…", "one two"),
    ],
)
def test_shown_lines_are_found_as_passages_in_order(shown: str, lacking: str) -> None:
    assert missing(tuple(shown.splitlines()), "one\n\ntwo  \nthree\n") == lacking.splitlines()


@pytest.mark.parametrize(
    ("shown", "printed", "agrees"),
    [
        ("records runs/a   (12 s)", "records runs/a   (3.5 s)", True),
        ("about 2 min to go", "under a second to go", True),
        ("0.95 after 2 s", "0.94 after 2 s", False),
        ("took 12 runs", "took 13 runs", False),
    ],
)
def test_only_times_may_differ(shown: str, printed: str, agrees: bool) -> None:
    assert (missing((shown,), printed, "times differ") == []) == agrees
    assert missing((shown,), printed)


def test_a_command_that_fails_is_noticed() -> None:
    with pytest.raises(AssertionError, match="ended with 2"):
        check(Typed("", "headstart plan", (), ""), 2, "error")
    with pytest.raises(AssertionError, match="ended with 0"):
        check(Typed("", "headstart plan", (), "fails"), 0, "done")
    with pytest.raises(AssertionError, match="did not print:\nfoo"):
        check(Typed("", "headstart plan", ("foo",), ""), 0, "bar")


def test_the_marks_are_those_of_the_pages() -> None:
    used = {mark for page in TUTORIALS.values() for mark in re.findall(r"^<!-- ([\w ]+) -->$", page.read_text(), re.M)}
    assert used == set(MARKS)


@pytest.mark.parametrize("name", ["images", "texts", "cluster"])
def test_what_makes_clients_up_is_installed(name: str) -> None:
    text = TUTORIALS[name].read_text()
    assert re.search(r"^partition +=", text, re.MULTILINE)
    assert re.search(r"pip install -e '\.\[[\w,]*partition[\w,]*\]'", text)
