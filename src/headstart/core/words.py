"""Pieces of sentences."""

from __future__ import annotations

from collections.abc import Sequence


def listed(names: Sequence[str], most: int) -> str:
    """Name some of many.

    >>> listed(["north", "south", "east"], 2), listed(["north"], 2)
    ('north, south and 1 more', 'north')
    """
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def counted(what: str, names: Sequence[str]) -> str:
    """Say of what there are how many, and name the first five; nothing of none.

    >>> counted("clients without test examples", ["north", "south"])
    'clients without test examples (2 of them): north, south'
    """
    more = ", …" if len(names) > 5 else ""
    return f"{what} ({len(names)} of them): {', '.join(names[:5])}{more}" if names else ""
