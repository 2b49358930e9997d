"""Decoded images on disk, named by content: a study that runs again reads them in a moment."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from headstart.core import cache
from headstart.core.arrays import Array
from headstart.core.checked import add_checksum, read_array
from headstart.core.damage import Damaged
from headstart.core.errors import DataError
from headstart.core.files import CACHE_BYTES, evict, write_atomically


def _folder() -> Path:
    return cache.images(cache.cache_folder())


@dataclass(frozen=True)
class ImageCache:
    """Arrays of pixels by key.

    Attributes:
        folder: where they lie.
        smallest: fewer images than this are not kept: they are decoded again each time.
        capacity: bytes on disk; what has been unused for longest goes first.
    """

    folder: Path = field(default_factory=_folder)
    smallest: int = 500
    capacity: int = CACHE_BYTES

    def find(self, key: str, shape: tuple[int, ...]) -> Array | None:
        """Return the cached array, mapped from disk; None when it is not there or broken."""
        path = self._path(key)
        try:
            found = read_array(path)
            os.utime(path)
        except Damaged as error:
            with suppress(OSError):
                error.set_aside()
            return None
        except (OSError, DataError):
            return None
        return found if found is not None and found.shape == shape and found.dtype == np.uint8 else None

    def keep(self, key: str, pixels: Array) -> Array:
        """Store an array and return it mapped from disk, or as it is where the disk does not take it."""
        if len(pixels) < self.smallest:
            return pixels
        try:
            write_atomically(self._path(key), lambda temporary: _write(temporary, pixels, f"{key}.npy"))
        except OSError:
            return pixels
        mapped = self.find(key, pixels.shape)
        evict(self.folder, "*.npy", self.capacity)
        return pixels if mapped is None else mapped

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.npy"


def _write(path: Path, pixels: Array, name: str) -> None:
    with path.open("wb") as file:
        np.save(file, pixels, allow_pickle=False)
    add_checksum(path, name)
