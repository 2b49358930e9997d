"""Pieces of sentences."""

from __future__ import annotations

from collections.abc import Sequence


def listed(names: Sequence[str], most: int) -> str:
    """Name some of many.

    >>> listed(["north", "south", "east"], 2), listed(["north"], 2)
    ('north, south and 1 more', 'north')
    """
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
