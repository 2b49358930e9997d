"""Content hashes: equal content has an equal name, so finished work can be found again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from torch import Tensor

from headstart.core.arrays import Array
from headstart.core.machine import num_cores

NAME, SIGNED = 32, 64
"""Hexadecimal digits of a hash that names, and of one that is signed: all of SHA-256, so that nobody finds a twin."""

_LONG, _AT_ONCE = 2048, 256
"""Bytes from which Python lets other threads go on while it hashes, and rows that a thread takes at once."""


def hash_json(value: Any, digits: int = NAME) -> str:
    """Hash a value that JSON can say; key order does not matter.

    >>> hash_json({"a": 1, "b": 2}) == hash_json({"b": 2, "a": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:digits]


def fingerprint(content: bytes | memoryview) -> bytes:
    """Hash bytes to 16 bytes: equal content, equal fingerprint.

    SHA-256 is the fastest that is safe where processors have instructions for it: 1,300 MB/s, BLAKE2 500.
    """
    return hashlib.sha256(content).digest()[:16]


def row_hashes(rows: Sequence[Array]) -> list[bytes]:
    """Return the fingerprint of each row's bytes; long rows are read on all cores.

    >>> one, other, again = row_hashes(np.array([[7], [8], [7]]))
    >>> one == again != other
    True
    """
    starts = range(0, len(rows), _AT_ONCE)
    if not len(rows) or rows[0].nbytes < _LONG:
        return _hashes_of(rows)
    with ThreadPoolExecutor(num_cores()) as pool:
        return [found for some in pool.map(lambda at: _hashes_of(rows[at : at + _AT_ONCE]), starts) for found in some]


def _hashes_of(rows: Iterable[Array]) -> list[bytes]:
    return [fingerprint(np.ascontiguousarray(row).data) for row in rows]


def hash_array(array: Array, digits: int = NAME) -> str:
    """Hash an array's type, shape and bytes."""
    digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:digits]


def hash_tree(tree: Mapping[str, Tensor], digits: int = NAME) -> str:
    """Hash a tree's names, types, shapes and values; order of names does not matter."""
    parts = {name: hash_array(tree[name].detach().cpu().numpy(), digits) for name in sorted(tree)}
    return hash_json(parts, digits)


def hash_once(value: Tensor) -> str:
    """Hash a tensor that does not change, once: a checkpoint has many megabytes, and arms cut it again and again."""
    if value.is_meta:
        return f"{value.dtype} {tuple(value.shape)}"
    known: tuple[int, str] | None = getattr(value, "headstart_digest", None)
    if known is None or known[0] != value._version:
        known = (value._version, hash_array(value.detach().cpu().numpy()))
        value.headstart_digest = known  # type: ignore[attr-defined]
    return known[1]
