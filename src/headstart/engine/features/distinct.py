"""Rows of equal content, found once, so that none is computed twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headstart.core.arrays import Array
from headstart.core.ragged import places as positions


@dataclass(frozen=True, eq=False)
class Distinct:
    """Which rows to compute, and where each result belongs.

    Attributes:
        first: the first row of each content, in order ``(contents,)``.
        rows: all rows, those of equal content side by side ``(rows,)``.
        starts: where each content's rows begin in ``rows``, and the end of the last ``(contents + 1,)``.
    """

    first: Array
    rows: Array
    starts: Array

    def __len__(self) -> int:
        return len(self.first)

    def by(self, sizes: Array) -> Distinct:
        """Return the same in ascending order of the rows' sizes."""
        order = np.argsort(sizes[self.first], kind="stable")
        copies = np.diff(self.starts)[order]
        rows = self.rows[positions(self.starts[order], copies)]
        return Distinct(self.first[order], rows, np.cumsum([0, *copies]))

    def places(self, start: int, stop: int) -> tuple[Array, Array]:
        """Return the rows of contents ``start`` to ``stop``, and which of these contents each of them has."""
        copies = np.diff(self.starts[start : stop + 1])
        return self.rows[self.starts[start] : self.starts[stop]], np.repeat(np.arange(stop - start), copies)


def every_row(count: int) -> Distinct:
    """Take each row as a content of its own."""
    return Distinct(np.arange(count), np.arange(count), np.arange(count + 1))


def distinct_rows(hashes: Sequence[bytes]) -> Distinct:
    """Find the rows whose bytes, and so their hashes, are equal.

    >>> found = distinct_rows([b"7", b"8", b"7"])
    >>> found.first, found.places(0, 2)
    (array([0, 1]), (array([0, 2, 1]), array([0, 0, 1])))
    """
    seen: dict[bytes, int] = {}
    contents = np.array([seen.setdefault(content, len(seen)) for content in hashes], dtype=np.int64)
    if len(seen) == len(contents):
        return every_row(len(contents))
    rows = np.argsort(contents, kind="stable")
    starts = np.searchsorted(contents[rows], np.arange(len(seen) + 1))
    return Distinct(rows[starts[:-1]], rows, starts)
