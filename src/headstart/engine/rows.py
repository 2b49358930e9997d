"""Which rows of the examples belong to which clients, for many clients at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from headstart.core.arrays import Array
from headstart.data.federation import Client
from headstart.engine.features.activations import Activations
from headstart.engine.features.padding import Inputs
from headstart.models.model import Model

MANY = 100_000
"""Clients above which nothing is kept for all of them, only for a cohort."""

TAKEN_BYTES = 2**24
"""Bytes of inputs that are taken at once for the steps that follow; each needs them soon, and in a cache at best."""

SMALL_TABLE = 2**22
"""Entries up to which the rows of all clients are tabled once."""


class RowTable:
    """Training rows of clients, padded with row 0 to the largest.

    Args:
        clients: whose rows.
        activations: the examples' activations.
    """

    def __init__(self, clients: Sequence[Client], activations: Activations) -> None:
        self.clients, self.activations = clients, activations
        self._taken: tuple[str, Array, Tensor] | None = None
        self._last: tuple[Array, tuple[Tensor, Array]] | None = None

    @property
    def device(self) -> torch.device:
        """Where the examples are."""
        return self.activations.labels.device

    @cached_property
    def _table(self) -> tuple[Tensor, Array] | None:
        """Rows and sizes of all clients, where that is little."""
        if len(self.clients) > MANY:
            return None
        widest = max((len(client.train) for client in self.clients), default=1)
        return self._tabled(range(len(self.clients))) if len(self.clients) * widest <= SMALL_TABLE else None

    def _tabled(self, positions: Sequence[int] | Array) -> tuple[Tensor, Array]:
        rows = [self.clients[int(p)].train for p in positions]
        sizes = np.array([len(own) for own in rows], dtype=np.int64)
        padded = np.zeros((len(rows), max(1, int(sizes.max(initial=1)))), dtype=np.int64)
        padded[np.arange(padded.shape[1]) < sizes[:, None]] = np.concatenate(rows) if rows else []
        return torch.from_numpy(padded).to(self.device), sizes

    def _few(self, positions: Array) -> tuple[Tensor, Array]:
        """Return rows and sizes of some of many clients; the last ones are kept: a round asks for the same again."""
        if self._last is None or not np.array_equal(self._last[0], positions):
            self._last = (positions, self._tabled(positions))
        return self._last[1]

    def at(self, positions: Array) -> Tensor:
        """Return rows of some clients, ``(clients, widest of them)`` int64."""
        if self._table is None:
            return self._few(positions)[0]
        rows = self._table[0]
        return rows.index_select(0, torch.from_numpy(positions).to(rows.device))[:, : self.widest(positions)]

    @cached_property
    def _sizes(self) -> Array | None:
        """Sizes of all clients, where they are few; no row is looked at, which at a server are elsewhere."""
        if len(self.clients) > MANY:
            return None
        return np.array([len(client.train) for client in self.clients], dtype=np.int64)

    def sizes(self, positions: Array) -> Array:
        """Return how many examples each client has."""
        return self._few(positions)[1] if self._sizes is None else self._sizes[positions]

    def widest(self, positions: Array) -> int:
        """Return how many examples the largest of some clients has, at least 1."""
        return int(self.sizes(positions).max(initial=1))

    def take(self, model: Model, positions: Array) -> Tensor:
        """Return activations at the model's cut, ``(clients, widest, …)``; the last ones are kept."""
        if self._taken and self._taken[0] == model.frozen_key and np.array_equal(self._taken[1], positions):
            return self._taken[2]
        values, rows = self.activations.at(model), self.at(positions)
        self._taken = (model.frozen_key, positions, gather(values, rows))
        return self._taken[2]


def gather(values: Inputs, rows: Tensor) -> Tensor:
    """Take rows for a stack, without a copy where they lie one after another."""
    flat = rows.reshape(-1)
    if (
        isinstance(values, Tensor)
        and len(flat)
        and torch.equal(flat, torch.arange(len(flat), device=flat.device) + flat[0])
    ):
        return values[int(flat[0]) : int(flat[0]) + len(flat)].view(*rows.shape, *values.shape[1:])
    return take(values, rows)


def by_step(values: Inputs, steps: Sequence[Tensor]) -> Iterator[Tensor]:
    """Yield the rows of one step after another, many steps' taken at once; each is a view.

    >>> [part.tolist() for part in by_step(torch.arange(5), [torch.tensor([3, 1]), torch.tensor([4])])]
    [[3, 1], [4]]
    """
    if not isinstance(values, Tensor):
        # Texts are padded to the longest of a step alone.
        yield from (take(values, rows) for rows in steps)
        return
    row_bytes = max(1, values[:1].numel() * values.element_size())
    while steps:
        count = max(1, TAKEN_BYTES // (row_bytes * max(1, steps[0].numel())))
        some, steps = steps[:count], steps[count:]
        found = values.index_select(0, torch.cat([rows.reshape(-1) for rows in some]))
        for rows, part in zip(some, found.split([rows.numel() for rows in some]), strict=True):
            yield part.view(*rows.shape, *values.shape[1:])


def take(values: Inputs, rows: Tensor) -> Tensor:
    """Take rows for a stack: ``(clients, width, …)``."""
    flat = rows.reshape(-1)
    found = values.index_select(0, flat) if isinstance(values, Tensor) else values[flat]
    return found.view(*rows.shape, *found.shape[1:])
