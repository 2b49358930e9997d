"""A disk that takes no more says so in one line: which file, why, and that the same command goes on."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_WHY = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota is used up",
    errno.EFBIG: "files may not be so large here",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EIO: "the disk fails",
}
_IN_WORDS = re.compile(r"os error (\d+)|\[Errno (\d+)\]")
"""How libraries that raise errors of their own quote the system's."""


class DiskError(OSError):
    """What the disk says where it takes no more: it ends the run, whose arms are not at fault."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the disk says, while a file is written, into one line.

    Raises:
        DiskError: it takes no more, or nothing from this user.

    >>> with writing(Path("node.json")):
    ...     raise OSError(errno.ENOSPC, "No space left on device")
    Traceback (most recent call last):
    headstart.core.disk.DiskError: 'node.json' cannot be written (the disk is full); make room, or give another
    folder; finished work is kept: run the same command to go on
    """
    try:
        yield
    except Exception as error:
        why = _WHY.get(_number(error))
        if why is None:
            raise
        raise DiskError(
            f"'{path}' cannot be written ({why}); make room, or give another folder; finished work is kept: run the "
            "same command to go on"
        ) from error


def _number(error: Exception) -> int:
    """Return the system's number of an error; 0 where it has none."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    found = _IN_WORDS.search(str(error))
    return int(found[1] or found[2]) if found else 0
