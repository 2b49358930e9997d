"""Rows of different lengths, kept end to end: texts as bytes or as tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from headstart.core.arrays import Array


@dataclass(frozen=True, eq=False)
class Ragged:
    """Rows of one kind of numbers; nothing is padded.

    Attributes:
        values: all rows end to end, ``(numbers,)``.
        starts: where each row begins in ``values``, and the end of the last, ``(rows + 1,)`` int64.

    >>> rows = Ragged.of([np.array([5, 6]), np.array([7])])
    >>> len(rows), rows[1], rows[np.array([1, 0])].values
    (2, array([7]), array([7, 5, 6]))
    """

    values: Array
    starts: Array

    @classmethod
    def of(cls, rows: Iterable[Array]) -> Ragged:
        """Put rows end to end; there must be at least one."""
        parts = list(rows)
        return cls(np.concatenate(parts), np.cumsum([0, *map(len, parts)], dtype=np.int64))

    @classmethod
    def none(cls, dtype: DTypeLike) -> Ragged:
        """Return no rows, of this type."""
        return cls(np.zeros(0, dtype), np.zeros(1, dtype=np.int64))

    @classmethod
    def of_texts(cls, texts: Iterable[str]) -> Ragged:
        """Put texts end to end, in UTF-8."""
        parts = [text.encode() for text in texts]
        starts = np.cumsum([0, *map(len, parts)], dtype=np.int64)
        return cls(np.frombuffer(b"".join(parts), dtype=np.uint8), starts)

    def texts(self) -> Iterator[str]:
        """Yield rows of UTF-8 as texts."""
        return (row.tobytes().decode() for row in self)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __iter__(self) -> Iterator[Array]:
        return (self.values[begin:end] for begin, end in zip(self.starts, self.starts[1:], strict=False))

    def __getitem__(self, rows: Any) -> Any:
        """Return one row as an array, or several as rows."""
        if isinstance(rows, int | np.integer):
            return self.values[self.starts[rows] : self.starts[rows + 1]]
        chosen = np.arange(len(self))[rows]
        lengths = self.lengths[chosen]
        return Ragged(self.values[places(self.starts[chosen], lengths)], np.cumsum([0, *lengths], dtype=np.int64))

    @property
    def lengths(self) -> Array:
        """Numbers in each row, ``(rows,)`` int64."""
        return np.diff(self.starts)


def places(starts: Array, lengths: Array) -> Array:
    """Return the positions of rows that begin at ``starts``, one row after another.

    >>> places(np.array([4, 0]), np.array([2, 1]))
    array([4, 5, 0])
    """
    total = int(lengths.sum())
    offsets = np.arange(total) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    found: Array = np.repeat(starts, lengths) + offsets
    return found
