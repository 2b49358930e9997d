from __future__ import annotations

import dataclasses
import doctest
import re

import pytest

from docs.pages import DOCS, load_tables
from headstart.core.registry import Entry
from headstart.study.written.arms import METHODS, Kind

tables = load_tables()
ENTRIES = [(kind, name, entry) for kind, table in METHODS.items() for name, entry in table.items()]


def built(page: str) -> str:
    """Return a page as it is built."""
    text: str = tables.on_page_markdown((DOCS / page).read_text())
    return text


def section(page: str, heading: str) -> str:
    """Return what stands below a heading, up to the next of the same depth or above."""
    depth = heading.split(" ")[0]
    return re.split(rf"^#{{1,{len(depth)}}} ", built(page).split(f"\n{heading}", 1)[1], flags=re.MULTILINE)[0]


@pytest.mark.parametrize(("kind", "name", "entry"), ENTRIES, ids=[f"{kind}-{name}" for kind, name, _ in ENTRIES])
def test_every_method_is_told_with_its_paper_and_settings(kind: Kind, name: str, entry: Entry) -> None:
    told = section("methods.md", f"### `{name}` ")
    assert "https://" in told
    assert "**Differs from the paper.** " in told
    row = r"^\| `{}` \| .+ \| .+ \| \S.+ \|$"
    assert [key for key in entry.settings() if not re.search(row.format(key), told, re.MULTILINE)] == []
    assert f"[`{name}`](methods.md#{name})" in section(
        "study-file.md", {"start": "### Starts", "federate": "### Federated methods", "adapt": "### Adaptations"}[kind]
    )


@pytest.mark.parametrize("name", tables.STUDY_TABLES)
def test_every_key_of_the_study_file_is_told(name: str) -> None:
    lines = list(tables.settings_table(tables.STUDY_TABLES[name]))
    keys = [key for key, _, _ in tables.fields(tables.STUDY_TABLES[name])]
    assert keys
    rows = [found[1] for line in lines if (found := re.fullmatch(r"\| `(\w+)` \| .+ \| .+ \| \S.+ \|", line))]
    assert sorted(rows) == sorted(keys)
    assert f"<!-- settings: {name} -->" in (DOCS / "study-file.md").read_text()


def test_every_table_of_the_study_file_has_a_heading() -> None:
    headings = set(re.findall(r"^## `\[(\w+)[.\]]", (DOCS / "study-file.md").read_text(), re.MULTILINE))
    keys = {key for key, _, _ in tables.fields(tables.STUDY_TABLES["StudySettings"])}
    assert keys - {"name", "seeds"} <= headings


@pytest.mark.parametrize("page", sorted(page.name for page in DOCS.glob("*.md")))
def test_no_place_is_left_empty(page: str) -> None:
    assert not re.findall(r"<!-- (?:settings|methods|summary)", built(page))


def test_an_unknown_place_is_an_error() -> None:
    with pytest.raises(ValueError, match="valid: settings, methods, summary"):
        tables.on_page_markdown("<!-- setings: DataSettings -->")


def test_a_method_without_a_paper_is_an_error() -> None:
    @dataclasses.dataclass(frozen=True)
    class Nameless:
        """Does nothing."""

    with pytest.raises(ValueError, match="Differs from the paper"):
        tables.paper(Entry(Nameless))


def test_examples_of_the_tables() -> None:
    assert doctest.testmod(tables).failed == 0
