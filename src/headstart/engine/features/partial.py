"""An array on disk that is filled block by block: killed in the middle, it goes on after the last finished block.

``<name>.partial.npy`` holds the rows so far, ``<name>.partial.json`` says how many count; the finished array is
renamed to ``<name>.npy``. A process that wants the same array meanwhile waits for it.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from headstart.core.checked import add_checksum
from headstart.core.damage import Damaged
from headstart.core.disk import allocate, writing
from headstart.core.files import read_json, write_json

Memmap = np.memmap[Any, Any]

_NOTE = {"done": int, "recipe": dict, "rows": int}

SECONDS = 5.0
"""Work that a kill may lose: how often rows are synced to the disk."""


class PartialArray:
    """The unfinished array of ``path``; one process at a time holds it, in a ``with`` block.

    Args:
        path: of the finished array, ``<name>.npy``.
        seconds: of work that a kill may lose.
    """

    def __init__(self, path: Path, seconds: float = SECONDS) -> None:
        self.path, self._seconds = path, seconds
        self._data, self._note = path.with_suffix(".partial.npy"), path.with_suffix(".partial.json")

    def __enter__(self) -> PartialArray:
        with writing(self._data):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            for path in (self._data, self._note):
                if path.is_dir():
                    Damaged(path, "it is a folder").set_aside()
            self._lock = _locked(self._data)
        self._synced = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        import fcntl

        # The finished array keeps the file open for as long as it is used; the lock need not last that long.
        fcntl.flock(self._lock, fcntl.LOCK_UN)
        self._lock.close()

    def resume(self, facts: dict[str, Any]) -> tuple[Memmap, dict[str, Any]] | None:
        """Return the array and the note of a process that was killed.

        What a process that was killed left may be damaged too: its caller compares the rows with the note's checksum.

        Args:
            facts: what its note must say; another note, or none, is no start to go on from.
        """
        try:
            note = read_json(self._note, _NOTE) if self._data.stat().st_size else None
            if note is None or {name: note.get(name) for name in facts} != facts:
                return None
            found: Memmap = np.lib.format.open_memmap(self._data, mode="r+")
            with writing(self.path, found.nbytes):
                allocate(self._lock.fileno(), 0, found.offset + found.nbytes)
            return found, note
        except (Damaged, ValueError, EOFError):
            # Not worth a word: what a kill left is begun anew.
            return None

    def create(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Memmap:
        """Begin the array anew.

        Raises:
            DiskError: the disk has no room for it; what it had given is given back.
        """
        with writing(self.path, math.prod(shape) * dtype.itemsize):
            self._note.unlink(missing_ok=True)
            try:
                array: Memmap = np.lib.format.open_memmap(self._data, mode="w+", dtype=dtype, shape=shape)
                allocate(self._lock.fileno(), 0, self._data.stat().st_size)
            except OSError:
                with suppress(OSError):
                    self._data.unlink()
                raise
        return array

    def keep(self, array: Memmap, note: Callable[[], dict[str, Any]]) -> None:
        """Note how far the array is, if the last note is some seconds old; the rows reach the disk before it."""
        if time.monotonic() - self._synced >= self._seconds:
            with writing(self._data):
                array.flush()
            write_json(self._note, note())
            self._synced = time.monotonic()

    def finish(self, array: Memmap) -> Memmap:
        """Give the array its name, and return it: what is written to it from now on stays in memory."""
        with writing(self.path):
            self._name_it(array)
        return np.memmap(self._lock, array.dtype, "c", array.offset, array.shape)

    def _name_it(self, array: Memmap) -> None:
        array.flush()
        # A process short of room may have deleted the file; while it is open here, it can be read.
        with suppress(FileNotFoundError):
            add_checksum(self._data, self.path.name, array.offset + array.nbytes)
            self._data.replace(self.path)
        self._note.unlink(missing_ok=True)


def _locked(path: Path) -> BinaryIO:
    """Open a file and hold its lock; the system frees it when the process ends, however it ends."""
    import fcntl

    while True:
        file = path.open("ab+")
        fcntl.flock(file, fcntl.LOCK_EX)
        # Whoever held the lock before may have renamed or deleted the file.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()
