"""Arrays and tables on disk that are compared with a checksum before they are believed.

An array in NumPy's format has it behind its end, where NumPy does not look; tables have theirs in a file beside them.
An array's checksum is a CRC-32 of the CRC-32s of pieces, which are computed on all cores, and of the file's name: a
whole array under another's name is not believed. It finds every flipped bit; against somebody who wants to deceive it
is no help, for such a person could replace it.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from headstart.core.arrays import Array
from headstart.core.damage import Damaged
from headstart.core.files import check_readable, read_json, write_atomically, write_json

_TRAILER = struct.Struct("<12sI")
_MARK = b"headstart c2"
_PIECE = 2**24

_REMEMBERED = 3
"""Checksums of a table beside its newest."""


def add_checksum(path: Path, name: str, end: int | None = None) -> None:
    """Write the checksum behind a whole array, in the place of one that stands there; the file is not synced.

    Args:
        path: of a file in NumPy's format.
        name: that the file will have, when it is read.
        end: where the array ends; None where the file does.
    """
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END) if end is None else end
        file.truncate(end)
        trailer = _TRAILER.pack(_MARK, _checksum(file.fileno(), end, name))
        file.seek(end)
        file.write(trailer)


def read_array(path: Path) -> Array | None:
    """Return an array, mapped from disk, after its bytes were compared with their checksum; None without a file.

    What is written to it stays in memory. A file of before, without a checksum of its name too, is not believed.

    Raises:
        Damaged: it is not what was written.
        DataError: it may not be read.
    """
    if not path.exists():
        return None
    if path.is_dir():
        raise Damaged(path, "it is a folder")
    check_readable(path)
    size = path.stat().st_size
    if (said := _said(path, size)) is None:
        raise Damaged(path, "it has no checksum of ours, or lost it")
    end = size - _TRAILER.size
    if not _is_right(path, end, said):
        raise Damaged(path, "it is not what was written, by its checksum")
    array = _mapped(path)
    if array.offset + array.nbytes != end:
        raise Damaged(path, "it is cut off" if array.offset + array.nbytes > end else "it is too long")
    return array


def write_table(path: Path, write: Callable[[Path], None]) -> None:
    """Write a file atomically; ``tables.json`` beside it says which checksums it may have.

    A new one is noted before the file is in its place, beside the last few, so that a kill in between does no harm.
    """

    def noted(temporary: Path) -> None:
        write(temporary)
        every, digest = _sums(path), _digest(temporary)
        known = every.get(path.name, ())
        if digest not in known:
            write_json(_tables(path), {**every, path.name: [*known[-_REMEMBERED:], digest]})

    write_atomically(path, noted)


def check_table(path: Path) -> None:
    """Refuse a file that is not what :func:`write_table` wrote; one without a checksum may be anything.

    Raises:
        Damaged: it is a folder, or has other content.
        DataError: it may not be read.
    """
    if path.is_dir():
        raise Damaged(path, "it is a folder")
    check_readable(path)
    known = _known(path).get(path.name)
    if known and path.exists() and _digest(path) not in known:
        raise Damaged(path, "it is not what was written, by its checksum")


def _mapped(path: Path) -> np.memmap[tuple[int, ...], np.dtype[np.generic]]:
    try:
        found = np.load(path, mmap_mode="c", allow_pickle=False)
    # What NumPy's reader of headers says to garbage is not written down.
    except Exception as error:
        raise Damaged(path, "it is no array, or cut off") from error
    if not isinstance(found, np.memmap):
        found.close()
        raise Damaged(path, "it is no array")
    return found


def _said(path: Path, size: int) -> int | None:
    """Return the checksum that a file ends with; None where it has none."""
    if size < _TRAILER.size:
        return None
    with path.open("rb") as file:
        file.seek(size - _TRAILER.size)
        mark, said = _TRAILER.unpack(file.read(_TRAILER.size))
    return int(said) if mark == _MARK else None


def _is_right(path: Path, end: int, said: int) -> bool:
    with path.open("rb") as file:
        return _checksum(file.fileno(), end, path.name) == said


def _checksum(descriptor: int, end: int, name: str) -> int:
    """Return the checksum of a file's name and first bytes."""
    if not end:
        return zlib.crc32(name.encode())
    with (
        mmap.mmap(descriptor, end, access=mmap.ACCESS_READ) as whole,
        memoryview(whole) as view,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        parts = list(pool.map(zlib.crc32, _pieces(view)))
    return zlib.crc32(struct.pack(f"<{len(parts)}I", *parts) + name.encode())


def _pieces(view: memoryview) -> Iterator[memoryview]:
    for start in range(0, len(view), _PIECE):
        yield view[start : start + _PIECE]


def _tables(path: Path) -> Path:
    return path.with_name("tables.json")


def _sums(path: Path) -> dict[str, Any]:
    """Return the checksums of the tables beside a file; none where their file is damaged."""
    try:
        return _known(path)
    except Damaged as error:
        error.set_aside()
        return {}


def _known(path: Path) -> dict[str, Any]:
    return read_json(_tables(path), lambda tables: dict.fromkeys(tables, list)) or {}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
