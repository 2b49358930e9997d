"""The device's own key: what the device has learnt is sealed with it, so that nobody can plant it a head."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from headstart_edge.errors import EdgeError
from headstart_edge.hashing import blake2b
from headstart_edge.tensors import Tensors

HOME = "HEADSTART_EDGE_HOME"
"""Environment variable: the folder of the key; ``~/.headstart-edge`` if it is not set."""

_BYTES = 32


def seal_of(key: bytes, tensors: Tensors, facts: Mapping[str, str]) -> str:
    """Return a keyed hash of all that a state says: 64 hexadecimal digits of BLAKE2b (RFC 7693)."""
    digest = blake2b(key=key, digest_size=32)
    for name, value in sorted(facts.items()):
        _add(digest, name.encode(), value.encode())
    for name, tensor in sorted(tensors.items()):
        _add(digest, name.encode(), f"{tensor.dtype.str}{tensor.shape}".encode(), tensor.tobytes())
    return digest.hexdigest()


def _add(digest: blake2b, *parts: bytes) -> None:
    """Add parts with their lengths, so that no two lists of parts are one."""
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)


def read_key() -> bytes | None:
    """Return the device's key; None on a device that has never learnt anything.

    Raises:
        EdgeError: the key is no file of the user's own that nobody else may read.
    """
    path = _path()
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, error.strerror or "it cannot be read") from None
    with open(handle, "rb") as file:
        status, key = os.fstat(handle), b""
        if stat.S_ISREG(status.st_mode):
            key = file.read(_BYTES + 1)
    if len(key) != _BYTES:
        raise _unusable(path, f"it has not {_BYTES} bytes")
    if os.name == "posix" and (status.st_mode & 0o077 or status.st_uid != os.geteuid()):
        raise _unusable(path, "others may read it, or own it")
    return key


def make_key() -> bytes:
    """Return the device's key; make it, for this user alone to read, where there is none.

    Raises:
        EdgeError: it cannot be written, or is no key.
    """
    path, found = _path(), read_key()
    if found is not None:
        return found
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:  # a process beside this one was first
        return read_key() or make_key()
    except OSError as error:
        raise _unusable(path, error.strerror or "it cannot be written") from None
    with open(handle, "wb") as file:
        file.write(key := os.urandom(_BYTES))
        file.flush()
        os.fsync(file.fileno())
    return key


def _path() -> Path:
    if folder := os.environ.get(HOME):
        return Path(folder) / "device.key"
    try:
        return Path.home() / ".headstart-edge" / "device.key"
    except RuntimeError:
        raise EdgeError(f"device key: needs a home folder, received none; name a folder with {HOME}") from None


def _unusable(path: Path, why: str) -> EdgeError:
    return EdgeError(
        f"device key: must be a file of {_BYTES} bytes that this user alone may read, received '{path}' ({why}); "
        f"delete it and run 'headstart-edge reset', or name another folder with {HOME}"
    )
