"""Keys of two sites, and streams of random numbers that they make of them: X25519, HKDF with SHA-256, ChaCha20."""

from __future__ import annotations

import numpy as np
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from headstart.sites.refusals import Refused
from headstart.sites.secure.fixed import Vector

SEED_BYTES = 16
"""Of a secret that is shared: 128 bits, as much as X25519 gives, and what Shamir's scheme takes at once."""

_PIECE = 2**15
"""Numbers that are drawn at once, which stay in the cache."""


def derive(secret: bytes, purpose: str) -> bytes:
    """Return 32 bytes of a secret for one purpose, which tell nothing of those for another (HKDF, RFC 5869)."""
    return HKDF(hashes.SHA256(), 32, None, f"headstart secure {purpose}".encode()).derive(secret)


def key_of(seed: bytes) -> X25519PrivateKey:
    """Return the private key that a seed stands for."""
    return X25519PrivateKey.from_private_bytes(derive(seed, "key"))


def public_of(seed: bytes) -> str:
    """Return its public half, in hex."""
    return key_of(seed).public_key().public_bytes_raw().hex()


def pair_key(own: X25519PrivateKey, other: str, purpose: str) -> bytes:
    """Return 32 bytes that two who know each other's public keys have, and nobody else.

    Args:
        own: private key.
        other: public key of the other, in hex.
        purpose: for which they are used.

    Raises:
        Refused: the other's is no key.
    """
    try:
        shared = own.exchange(X25519PublicKey.from_public_bytes(bytes.fromhex(other)))
    except ValueError:
        raise Refused(f"secure sums: {other[:16]}… is no public key of a site") from None
    return derive(shared, purpose)


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
