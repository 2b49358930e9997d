"""Streams of random numbers (ChaCha20, RFC 8439) that are added to values, and taken off again."""

from __future__ import annotations

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

from headstart.sites.secure.fixed import Vector

_PIECE = 2**15
"""Numbers that are drawn at once, which stay in the cache."""


def add_stream(vector: Vector, key: bytes, *, subtract: bool = False) -> None:
    """Add a key's stream of numbers to a vector modulo 2**64, in place; or take it off again.

    >>> vector = np.arange(3, dtype=np.uint64)
    >>> add_stream(vector, bytes(32))
    >>> add_stream(vector, bytes(32), subtract=True)
    >>> vector.tolist()
    [0, 1, 2]
    """
    stream = Cipher(algorithms.ChaCha20(key, bytes(16)), None).encryptor()
    zeros, drawn = memoryview(bytes(8 * _PIECE)), np.empty(_PIECE, np.uint64)
    for begin in range(0, len(vector), _PIECE):
        part = vector[begin : begin + _PIECE]
        stream.update_into(zeros[: part.nbytes], drawn.view(np.uint8).data)
        (np.subtract if subtract else np.add)(part, drawn[: len(part)], out=part)
