"""Content hashes: equal content has an equal name, so finished work can be found again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from headstart.core.arrays import Array

NAME, SIGNED = 32, 64
"""Hexadecimal digits of a hash that names, and of one that is signed: all of SHA-256, so that nobody finds a twin."""


def hash_json(value: Any, digits: int = NAME) -> str:
    """Hash a value that JSON can say; key order does not matter.

    >>> hash_json({"a": 1, "b": 2}) == hash_json({"b": 2, "a": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:digits]


def fingerprint(content: bytes | memoryview) -> bytes:
    """Hash bytes to 16 bytes: equal content, equal fingerprint."""
    return hashlib.blake2b(content, digest_size=16).digest()


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
