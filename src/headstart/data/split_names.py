"""The words by which columns and folders say which split a row belongs to."""

from __future__ import annotations

from collections.abc import Mapping

from headstart.core.errors import DataError, nearest
from headstart.data.federation import Split

SPLIT_NAMES: Mapping[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
}
UNUSED = frozenset({"not used", "unused", "none"})


def split_of(text: str | None, column: str) -> Split | None:
    """Return the split that a word means; None for an empty cell or a word such as 'not used'.

    Raises:
        DataError: the word means no split.

    >>> split_of("Validation", "split"), split_of("not used", "split")
    ('val', None)
    """
    word = (text or "none").strip().lower()
    if word in UNUSED:
        return None
    if word not in SPLIT_NAMES:
        raise DataError(f"data.split.column: '{column}' says '{text}', which is no split; {nearest(word, SPLIT_NAMES)}")
    return SPLIT_NAMES[word]
