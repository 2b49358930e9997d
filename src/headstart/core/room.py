"""The one line of a file that cannot be written: the disk is full, it is read-only, the folder is gone."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headstart.core.units import BYTES, scaled

_WAYS_OUT = {
    errno.ENOSPC: "make room there",
    errno.EDQUOT: "make room there, for this user's share is used up",
    errno.EFBIG: "raise the limit on the size of a file",
    errno.EROFS: "mount the disk writable",
    errno.EACCES: "make it writable for this user",
    errno.EPERM: "make it writable for this user",
    errno.ENOENT: "the folder is gone: make it again",
    errno.ENOTDIR: "remove what stands in its way",
    errno.EISDIR: "remove what stands in its way",
    errno.EEXIST: "remove what stands in its way",
}
_FULL = {errno.ENOSPC, errno.EDQUOT}


class NotWritten(OSError):
    """A file cannot be written. It ends a run: an arm that it struck would be missing, and not for its merits.

    Args:
        path: of the file.
        cause: what the system said.
        wanted: bytes that were to be written; None where nobody knows.

    >>> print(str(NotWritten(Path("a/costs.json"), OSError(errno.EACCES, "Permission denied"))).partition(", or")[0])
    'a/costs.json' cannot be written (Permission denied): make it writable for this user
    """

    def __init__(self, path: Path, cause: OSError, wanted: int | None = None) -> None:
        self.path, self.wanted = path, wanted
        way = _WAYS_OUT.get(cause.errno or 0, "see to the disk")
        # ``str()`` of an error with a number would name the number and leave out the rest.
        super().__init__(
            f"'{path}' cannot be written ({_why(path, cause, wanted)}): {way}, or give another folder, and run the "
            "same command again; what is finished is kept"
        )
        self.errno = cause.errno


@contextmanager
def writing(path: Path, wanted: int | None = None) -> Iterator[None]:
    """Turn what the system says while a file is written into one line.

    Args:
        path: of the file, by the name that it is to have in the end.
        wanted: bytes that are to be written, where they are known.

    Raises:
        NotWritten: in the place of any ``OSError``, but for those that say it already.
    """
    try:
        yield
    except NotWritten:
        raise
    except OSError as error:
        raise NotWritten(path, error, wanted) from error


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


def _why(path: Path, cause: OSError, wanted: int | None) -> str:
    """Say what the system said, and of a full disk how much was wanted and how much there is."""
    words = [cause.strerror or str(cause) or type(cause).__name__]
    if wanted is not None:
        words.append(f"{_size(wanted)} wanted")
    if cause.errno in _FULL and (free := _free(path)) is not None:
        words.append(f"{_size(free)} free")
    return ", ".join(words)


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
