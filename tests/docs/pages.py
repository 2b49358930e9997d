"""The README and the documentation's pages, taken apart."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]

_FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    """Return a page's fenced blocks of one language."""
    return [body for kind, body in _FENCE.findall(page.read_text()) if kind == language]


def links(page: Path) -> list[str]:
    """Return where a page's links lead within the project, as written."""
    prose = _FENCE.sub("", page.read_text())
    return [target for target in _LINK.findall(prose) if "://" not in target]


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as Markdown viewers make them."""
    titles = _HEADING.findall(_FENCE.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def every_block(language: str) -> dict[str, str]:
    """Return all pages' fenced blocks of one language, by page and number.

    >>> len(every_block("python")) > 5
    True
    """
    return {f"{name_of(page)}-{number}": block for page in PAGES for number, block in enumerate(blocks(page, language))}


def name_of(page: Path) -> str:
    """Return where a page is in the documentation; the README by its name."""
    return page.relative_to(DOCS).as_posix() if page.is_relative_to(DOCS) else page.name
