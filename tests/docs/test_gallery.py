"""Every page of the gallery says what its line says, and stands alone."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest

from docs.pages import DOCS, ROOT

GALLERY = DOCS / "gallery"
PAGES = sorted(GALLERY.glob("*.html"))
LINES = dict(
    re.findall(r"^\| \[`[\w-]+`\]\(gallery/([\w-]+)\.html\) (\|.+)$", (DOCS / "gallery.md").read_text(), re.MULTILINE)
)


def plain(html: str) -> str:
    """Return a page's text without its tags, in one line."""
    return " ".join(unescape(re.sub(r"<[^>]*>", "", html)).split())


def test_every_page_has_a_line_and_there_are_seven() -> None:
    assert sorted(LINES) == [page.stem for page in PAGES]
    assert len(PAGES) == 7


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_line_says_what_the_page_says(page: Path) -> None:
    text, line = page.read_text(), LINES[page.stem]
    (headline,) = re.findall(r"<h1[^>]*>(.+?)</h1>", text, re.DOTALL)
    *_, answer, sentence = [cell.strip() for cell in line.strip("|").split(" | ")]
    assert answer == plain(headline)
    assert sentence.rstrip("| ") in plain(text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_names_no_machine_and_needs_none(page: Path) -> None:
    text = page.read_text()
    assert len(text) < 400_000
    assert re.findall(r"""(?:src|href)=["'](?!#)[^"']+""", text) == []
    assert re.findall(r"/(?:home|root|work|tmp|Users)/", text) == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem != "demo"], ids=lambda page: page.stem)
def test_a_page_shows_the_study_as_it_is(page: Path) -> None:
    study = (ROOT / "studies" / page.name).with_suffix(".toml").read_text()
    shown = unescape("".join(re.findall(r"<pre[^>]*>(.*?)</pre>", page.read_text(), re.DOTALL)))
    assert study.strip() in re.sub(r"<[^>]*>", "", shown)
