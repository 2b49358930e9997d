"""Names that differ in blanks, signs or capitals alone, and so may mean one thing."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable


def near_equal(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Return groups of names that are equal but for capitals, blanks, accents' encoding and signs between words.

    >>> near_equal(["VA", "va", "St. Mary's", "St Mary's", "north", "2.5", "25"])
    [("St Mary's", "St. Mary's"), ('VA', 'va')]
    """
    groups: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        plain = unicodedata.normalize("NFKC", name).casefold()
        groups.setdefault(re.sub(r"[\W_]+", " ", plain).strip() or name, []).append(name)
    return [tuple(group) for group in groups.values() if len(group) > 1]
