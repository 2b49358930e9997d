"""The reference tables of the documentation stand in the clone, whole and up to date."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from docs.pages import DOCS
from headstart.cli.reference.errors import kinds, messages_of
from headstart.cli.reference.keys import TABLES, keys_of
from headstart.cli.reference.markdown import filled
from headstart.core.registry import Entry
from headstart.study.written.arms import METHODS, Kind
from headstart.study.written.schema import Metric

ENTRIES = [(kind, name, entry) for kind, table in METHODS.items() for name, entry in table.items()]


def section(page: str, heading: str) -> str:
    """Return what stands below a heading, up to the next of the same depth or above."""
    depth = heading.split(" ")[0]
    text = (DOCS / page).read_text()
    return re.split(rf"^#{{1,{len(depth)}}} ", text.split(f"\n{heading}\n", 1)[1], flags=re.MULTILINE)[0]


@pytest.mark.parametrize("page", sorted(page.name for page in DOCS.glob("*.md")))
def test_no_table_has_fallen_behind(page: str) -> None:
    """Else run scripts/reference.py."""
    text = (DOCS / page).read_text()
    assert filled(text) == text


@pytest.mark.parametrize(("kind", "name", "entry"), ENTRIES, ids=[f"{kind}-{name}" for kind, name, _ in ENTRIES])
def test_every_method_is_told_with_its_paper_and_settings(kind: Kind, name: str, entry: Entry) -> None:
    told = section("methods.md", f"### `{name}`")
    assert "https://" in told
    assert "**Differs from the paper.** " in told
    row = r"^\| `{}` \| .+ \| .+ \| \S.+ \|$"
    assert [key for key in entry.settings() if not re.search(row.format(key), told, re.MULTILINE)] == []
    assert f"[`{name}`](methods.md#{name})" in section(
        "study-file.md", {"start": "### Starts", "federate": "### Federated methods", "adapt": "### Adaptations"}[kind]
    )


@pytest.mark.parametrize("name", TABLES)
def test_every_key_of_the_study_file_is_told(name: str) -> None:
    rows = re.findall(r"^\| `(\w+)` \| .+ \| .+ \| \S.+ \|$", filled(f"<!-- settings: {name} -->\n"), re.MULTILINE)
    assert rows
    assert sorted(rows) == sorted(key.name for key in keys_of(TABLES[name]))
    assert f"<!-- settings: {name} -->" in (DOCS / "study-file.md").read_text()


def test_every_table_of_the_study_file_has_a_heading() -> None:
    headings = set(re.findall(r"^## `\[(\w+)[.\]]", (DOCS / "study-file.md").read_text(), re.MULTILINE))
    assert {key.name for key in keys_of(TABLES["file"])} - {"name", "seeds"} <= headings


def test_every_metric_is_told() -> None:
    told = re.findall(r"^\| (`.+?) \|", section("evidence.md", "## What is measured"), re.MULTILINE)
    assert {name for row in told for name in re.findall(r"`(\w+)`", row)} == {*get_args(Metric)}


def test_every_kind_of_error_is_told() -> None:
    page = (DOCS / "errors.md").read_text()
    assert re.findall(r"^## `(\w+)`\n\n.+\n\n<!-- errors: (\w+) -->", page, re.MULTILINE) == [
        (name, name) for name, _ in kinds()
    ]


def test_messages_are_read_off_the_source() -> None:
    found = messages_of("SettingError")
    assert "--margin: must be at least 0, received {margin}; try 0.02" in found
    assert found == sorted(set(found))
    assert messages_of("NoSuchError") == []


def test_what_stands_around_a_table_is_left_alone() -> None:
    page = "before\n<!-- settings: budget -->\nold\n<!-- end -->\nafter\n"
    found = filled(page)
    assert found.startswith("before\n")
    assert found.endswith("<!-- end -->\nafter\n")
    assert "old" not in found
    assert filled(found) == found
