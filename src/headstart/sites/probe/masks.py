"""Sums that the server can add up, but not read one by one: masks of pairs of clients, which cancel.

Bonawitz et al.: Practical Secure Aggregation for Privacy-Preserving Machine Learning. CCS 2017.
https://doi.org/10.1145/3133956.3133982 (the pairwise masks of its section 4).

Differs from the paper: no shares of secrets; when a client is lost, the others are asked again without it, with new
keys. The server hands the public keys on: this protects from a server that is curious, not from one that lies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from headstart.core.errors import ClientError, require
from headstart.core.trees import Tree

EXTRA = "flower"
SCALE = 2**32
"""Numbers travel as multiples of 1 / SCALE, modulo 2**64."""

MOST = 2**30
"""Largest sum of all clients, in absolute value."""

Secret = Any
"""A private key of X25519."""


def new_secret() -> Secret:
    """Return a private key for one probe."""
    return require("cryptography.hazmat.primitives.asymmetric.x25519", EXTRA).X25519PrivateKey.generate()


def public_of(secret: Secret) -> str:
    """Return the public key in hex."""
    return str(secret.public_key().public_bytes_raw().hex())


def mask(sums: Tree, name: str, secret: Secret, keys: Mapping[str, str], round_name: str) -> Tree:
    """Return the sums in fixed point, hidden under one mask per other client.

    Args:
        sums: float64.
        name: of this client.
        secret: its key.
        keys: public keys of all clients of this round, in hex.
        round_name: never used twice with the same keys.

    Raises:
        ClientError: a number is too large for the fixed point, or nobody else takes part.
    """
    if len(keys) < 3 or name not in keys:
        raise ClientError(
            f"secure sums need 3 clients or more, received {len(keys)}: with two, one could read the other's"
        )
    found = {}
    for tensor, value in sums.items():
        flat = value.double().numpy()
        if not np.isfinite(flat).all() or np.abs(flat).max(initial=0) * len(keys) > MOST:
            raise ClientError(
                f"secure sums carry numbers up to {MOST // len(keys)}, '{tensor}' has a larger one; scale down"
            )
        found[tensor] = np.rint(flat * SCALE).astype(np.int64).view(np.uint64)
    for other, key in keys.items():
        if other != name:
            _add_mask(found, _stream_key(secret, key, round_name), sign=name < other)
    return {tensor: torch.from_numpy(value.view(np.int64)) for tensor, value in found.items()}


def unmask(masked: Sequence[Tree]) -> Tree:
    """Return the sum of all clients' sums, float64; right only if every client of the round is there."""
    total = {name: sum(tree[name].numpy().view(np.uint64) for tree in masked) for name in masked[0]}
    return {name: torch.from_numpy(np.asarray(value).view(np.int64) / SCALE) for name, value in total.items()}


def _stream_key(secret: Secret, public: str, round_name: str) -> bytes:
    x25519 = require("cryptography.hazmat.primitives.asymmetric.x25519", EXTRA)
    hkdf = require("cryptography.hazmat.primitives.kdf.hkdf", EXTRA).HKDF
    sha256 = require("cryptography.hazmat.primitives.hashes", EXTRA).SHA256
    shared = secret.exchange(x25519.X25519PublicKey.from_public_bytes(bytes.fromhex(public)))
    return bytes(hkdf(sha256(), 32, None, b"headstart sums " + round_name.encode()).derive(shared))


def _add_mask(found: dict[str, Any], key: bytes, *, sign: bool) -> None:
    """Add or subtract a pair's stream of random numbers, in place."""
    ciphers = require("cryptography.hazmat.primitives.ciphers", EXTRA)
    stream = ciphers.Cipher(ciphers.algorithms.ChaCha20(key, bytes(16)), None).encryptor()
    for name in sorted(found):
        value = found[name]
        drawn = np.frombuffer(stream.update(bytes(value.nbytes)), np.uint64).reshape(value.shape)
        found[name] = value + drawn if sign else value - drawn
