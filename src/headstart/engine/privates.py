"""Private trees of clients, those of absent clients in a memory-mapped file."""

from __future__ import annotations

import mmap
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from headstart.core import trees
from headstart.core.arrays import Array
from headstart.core.device import placed
from headstart.core.disk import allocate, writing
from headstart.core.trees import Tree
from headstart.data.federation import Client


class Privates(Protocol):
    """Private trees by a client's position."""

    def one(self, position: int) -> Tree:
        """Return one client's tree."""
        ...

    def some(self, positions: Array) -> Tree:
        """Return several clients' trees as a stack."""
        ...


class PrivateStore:
    """Private trees that change from round to round, one row per client in a temporary file.

    The file is sparse: it takes the room of the clients who have taken part. Memory holds what the system finds
    worth keeping. Processes forked from this one see the same rows.

    Args:
        newcomer: the tree of a client who has not taken part yet.
        population: number of clients.
    """

    def __init__(self, newcomer: Tree, population: int) -> None:
        self.newcomer = newcomer
        self._known = np.frombuffer(mmap.mmap(-1, max(population, 1)), dtype=np.bool_)[:population]
        self._rows = {name: _Rows(value, population) for name, value in newcomer.items()}

    @property
    def members(self) -> Array:
        """Positions of the clients who have taken part."""
        return np.flatnonzero(self._known)

    def one(self, position: int) -> Tree:
        """Return one client's tree."""
        return trees.unstack(self.some(np.array([position])), 0)

    def some(self, positions: Array) -> Tree:
        """Return several clients' trees as a stack."""
        if not self.newcomer:
            return {}
        device = next(iter(self.newcomer.values())).device
        known = torch.from_numpy(self._known[positions].copy()).to(device)
        rows = {name: torch.from_numpy(np.asarray(rows.array[positions])) for name, rows in self._rows.items()}
        return trees.where(known, placed(rows, device), trees.broadcast(self.newcomer, len(positions)))

    def put(self, positions: Array, stack: Tree) -> None:
        """Keep several clients' trees.

        Raises:
            DiskError: the temporary folder has no room for them.
        """
        fresh = positions[~self._known[positions]]
        for name, value in stack.items():
            self._rows[name].put(positions, value.detach().cpu().numpy(), fresh)
        if stack:
            self._known[positions] = True


class _Rows:
    """An array with one row per client, in a temporary file.

    Args:
        value: a row.
        population: number of clients.
    """

    def __init__(self, value: torch.Tensor, population: int) -> None:
        row = value.detach().cpu().numpy()
        self._bytes, shape = row.nbytes, (population, *row.shape)
        with writing(_folder()):
            self._file = tempfile.TemporaryFile(prefix="headstart-privates-")  # noqa: SIM115 (open as long as its rows)
            weakref.finalize(self, self._file.close)
            self._file.truncate(max(1, population * row.nbytes))
        self.array = np.memmap(self._file, row.dtype, "r+", shape=shape) if row.nbytes else np.empty(shape, row.dtype)

    def put(self, positions: Array, rows: Array, fresh: Array) -> None:
        """Write some rows, once the disk has room for those that are fresh."""
        if self._bytes:
            with writing(_folder(), len(fresh) * self._bytes):
                for position in fresh.tolist():
                    allocate(self._file.fileno(), position * self._bytes, self._bytes)
        self.array[positions] = rows


def _folder() -> Path:
    """Return where temporary files lie, as an error names it."""
    return Path(tempfile.gettempdir()) / "private trees"


class ByClient(Mapping[str, Tree]):
    """A store's private trees by client id, of the clients who have taken part.

    Args:
        store: the trees by position.
        clients: the clients by position.
    """

    def __init__(self, store: PrivateStore, clients: Sequence[Client]) -> None:
        self._store, self._clients = store, clients
        self._known: dict[str, int] = {}

    @property
    def _positions(self) -> dict[str, int]:
        """Positions by id; clients come to it from round to round."""
        members = self._store.members
        if len(members) != len(self._known):
            self._known = {self._clients[position].id: position for position in members.tolist()}
        return self._known

    def __getitem__(self, client: str) -> Tree:
        return self._store.one(self._positions[client])

    def __iter__(self) -> Iterator[str]:
        return iter(self._positions)

    def __len__(self) -> int:
        return len(self._positions)
