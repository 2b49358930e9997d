"""A disk that takes no more says so in one line: which file, why, how much was wanted, and the way out."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headstart.core.errors import HeadstartError
from headstart.core.units import BYTES, scaled

_WHY = {
    errno.ENOSPC: ("the disk is full", "make room there"),
    errno.EDQUOT: ("the quota is used up", "make room there"),
    errno.EFBIG: ("files may not be so large here", "raise that limit"),
    errno.EROFS: ("the disk is read-only", "mount it writable"),
    errno.EACCES: ("permission denied", "make it writable for this user"),
    errno.EPERM: ("permission denied", "make it writable for this user"),
    errno.EIO: ("the disk fails", "see to the disk"),
    errno.ENOENT: ("its folder is gone", "make the folder again"),
    errno.ENOTDIR: ("a file stands in its folder's place", "remove that file"),
    errno.EEXIST: ("a file stands in its folder's place", "remove that file"),
    errno.EISDIR: ("a folder stands in its place", "remove that folder"),
}
_FULL = {errno.ENOSPC, errno.EDQUOT}
_IN_WORDS = re.compile(r"os error (\d+)|\[Errno (\d+)\]")
"""How libraries that raise errors of their own quote the system's."""


class DiskError(OSError):
    """What the disk says where it takes no more: it ends the run, whose arms and trials are not at fault."""


@contextmanager
def writing(path: Path, wanted: int | None = None) -> Iterator[None]:
    """Turn what the disk says, while a file is written, into one line.

    Args:
        path: of the file, by the name that it is to have in the end.
        wanted: bytes that are to be written, where they are known.

    Raises:
        DiskError: it takes no more, or nothing from this user.

    >>> with writing(Path("a/node.json"), wanted=2000):
    ...     raise OSError(errno.EROFS, "Read-only file system")
    Traceback (most recent call last):
    headstart.core.disk.DiskError: 'a/node.json' cannot be written (the disk is read-only, 2 kB wanted); mount it
    writable, or give another folder; finished work is kept: run the same command to go on
    """
    try:
        yield
    except (DiskError, HeadstartError):
        raise
    except Exception as error:
        number = _number(error)
        if number is None:
            raise
        raise DiskError(_line(path, error, number, wanted)) from error


def allocate(descriptor: int, start: int, count: int) -> None:
    """Have the disk set room aside: a write to mapped memory that finds none is the end of the process.

    Args:
        descriptor: of an open file.
        start: first byte.
        count: of bytes, at least 1.

    Raises:
        OSError: there is not so much room.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, start, count)


def _number(error: Exception) -> int | None:
    """Return the system's number of an error, 0 if it has none; None where it is not of the system."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    found = _IN_WORDS.search(str(error))
    if found:
        return int(found[1] or found[2])
    return 0 if isinstance(error, OSError) else None


def _line(path: Path, error: Exception, number: int, wanted: int | None) -> str:
    why, way_out = _WHY.get(number, (os.strerror(number) if number else str(error), "see to the disk"))
    words = [why]
    if wanted is not None:
        words.append(f"{_size(wanted)} wanted")
    if number in _FULL and (free := _free(path)) is not None:
        words.append(f"{_size(free)} free")
    return (
        f"'{path}' cannot be written ({', '.join(words)}); {way_out}, or give another folder; finished work is kept: "
        "run the same command to go on"
    )


def _free(path: Path) -> int | None:
    """Return the bytes that are free where a file was to lie; None where nobody can tell."""
    folder = next((one for one in path.absolute().parents if one.is_dir()), None)
    try:
        return shutil.disk_usage(folder).free if folder else None
    except OSError:
        return None


def _size(count: int) -> str:
    value, unit = scaled(count, BYTES)
    return f"{value:.3g} {unit}"
