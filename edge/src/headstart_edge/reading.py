"""Files of a bundle and of a device's state, read once: what is checked is what is used."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import IO

from headstart_edge.errors import EdgeError

_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""No link is followed, and nobody waits for a pipe."""


def open_file(path: Path, rule: str, way_out: str) -> IO[bytes]:
    """Open a plain file.

    Args:
        path: of the file.
        rule: what it must be, for the message.
        way_out: what to do.

    Raises:
        EdgeError: it is not there, it is a link or no file, or it cannot be read.
    """
    try:
        if path.is_symlink():
            raise _refused(path, rule, "a link", way_out)
        file = os.fdopen(os.open(path, _FLAGS), "rb")
    except FileNotFoundError:
        raise _refused(path, rule, "none", way_out) from None
    except OSError as error:
        raise _refused(path, rule, f"one that cannot be read ({error.strerror})", way_out) from None
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise _refused(path, rule, "a folder or a device", way_out)
    return file


def read_file(path: Path, most: int, rule: str, way_out: str) -> bytes:
    """Read a plain file of at most so many bytes.

    Raises:
        EdgeError: as ``open_file``, or it is larger.
    """
    with open_file(path, rule, way_out) as file:
        size = os.fstat(file.fileno()).st_size
        raw = file.read(most + 1) if size <= most else b""
    if size > most or len(raw) > most:
        raise EdgeError(f"{path.name}: must be at most {most} bytes, received {size}; refused: {way_out}")
    return raw


def _refused(path: Path, rule: str, received: str, way_out: str) -> EdgeError:
    return EdgeError(f"{path.name}: {rule}, received {received}; {way_out}")
