"""Markdown of words that others wrote: tables and items in which they stay words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from headstart.core.visible import visible


def table(titles: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    r"""Return a Markdown table: text left, numbers right.

    >>> print(table(("Arm", "Mean"), [("a|b", "1")]))
    | Arm | Mean |
    |:--|--:|
    | a\|b | 1 |
    """
    ruler = "|" + "|".join([":--", *["--:"] * (len(titles) - 1)]) + "|"
    return "\n".join([_line(titles), ruler, *map(_line, lines)])


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(said, cells)) + " |"


def item(text: str) -> str:
    """Return an item of a list."""
    return f"- {said(text)}"


def said(text: object) -> str:
    r"""Return text of which Markdown makes nothing but that text, in one line: no markup, cell, link, picture or HTML.

    >>> print(said("a|b <b> `c` [d](http://e) snake_case _f_"))
    a\|b &lt;b&gt; \`c\` \[d\](http&#58;//e) snake_case \_f\_
    """
    words = _ENTITY.sub("&amp;", visible(str(text)))
    for pattern, harmless in _MARKS:
        words = pattern.sub(harmless, words)
    return words


_ENTITY = re.compile(r"&(?=#?\w+;)")
_MARKS = tuple(
    (re.compile(pattern), harmless)
    for pattern, harmless in (
        (r"([\\`*|\[\]]|~|(?<![^\W_])_|_(?![^\W_]))", r"\\\1"),
        ("<", "&lt;"),
        (">", "&gt;"),
        ("://", "&#58;//"),
        (r"(?i)\b(www)\.", r"\1&#46;"),
        (r"^(\s*)([#+=-])(?=\s|#|$)", r"\1\\\2"),
        (r"^(\s*\d+)([.)])(?=\s|$)", r"\1\\\2"),
    )
)
"""What has a meaning in Markdown, and what stands for it; links without brackets are one of GitHub's additions."""


def careful(doubt: str) -> str:
    """Return what stands before an answer that it puts in doubt; empty where nothing does.

    >>> careful("a column tells the label"), careful("")
    ('**Careful:** a column tells the label', '')
    """
    return f"**Careful:** {said(doubt)}" if doubt else ""
