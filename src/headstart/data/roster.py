"""A roster: a population of clients too large to hold as objects, made one by one when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import overload

from headstart.data.federation import Client


@dataclass(frozen=True)
class Roster(Sequence[Client]):
    """Clients by position, each with training examples, ids in ascending order.

    Attributes:
        size: number of clients.
        client: returns the client at a position; the same one each time.

    >>> import numpy as np
    >>> rows = np.arange(2)
    >>> roster = Roster(10**6, lambda i: Client(f"{i:07}", 2 * i + rows, rows[:0], rows[:0]))
    >>> roster[999_999].id, len(roster)
    ('0999999', 1000000)
    """

    size: int
    client: Callable[[int], Client]

    def __len__(self) -> int:
        return self.size

    @overload
    def __getitem__(self, position: int) -> Client: ...

    @overload
    def __getitem__(self, position: slice) -> Sequence[Client]: ...

    def __getitem__(self, position: int | slice) -> Client | Sequence[Client]:
        if isinstance(position, slice):
            return [self.client(i) for i in range(*position.indices(self.size))]
        if not -self.size <= position < self.size:
            raise IndexError(position)
        return self.client(position % self.size)
