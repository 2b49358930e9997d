"""Decoded images on disk, named by content: a study that runs again reads them in a moment.

The folder is ``images`` in the user's cache folder; it may be deleted at any time.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import platformdirs

from headstart.core.files import write_atomically
from headstart.data.examples import Array

SMALLEST = 500
"""Fewer images than this are decoded again each time."""


def find(key: str, shape: tuple[int, ...]) -> Array | None:
    """Return the cached array, mapped from disk; None when it is not there or broken."""
    try:
        found: Array = np.load(_path(key), mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError):
        return None
    return found if found.shape == shape and found.dtype == np.uint8 else None


def keep(key: str, pixels: Array) -> Array:
    """Store an array and return it mapped from disk, or as it is where the disk does not take it."""
    if len(pixels) < SMALLEST:
        return pixels
    try:
        write_atomically(_path(key), lambda temporary: _write(temporary, pixels))
    except OSError:
        return pixels
    mapped = find(key, pixels.shape)
    return pixels if mapped is None else mapped


def _path(key: str) -> Path:
    return Path(platformdirs.user_cache_dir("headstart")) / "images" / f"{key}.npy"


def _write(path: Path, pixels: Array) -> None:
    with path.open("wb") as file:
        np.save(file, pixels, allow_pickle=False)
