"""Sums that the server can add up, but not read one by one: masks of pairs of clients, which cancel.

Bonawitz et al.: Practical Secure Aggregation for Privacy-Preserving Machine Learning. CCS 2017.
https://doi.org/10.1145/3133956.3133982 (the pairwise masks of its section 4).

Differs from the paper: no shares of secrets; when a client is lost, the others are asked again without it, with new
keys. The server hands the public keys on: this protects from a server that is curious, not from one that lies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from headstart.core.arrays import Array
from headstart.core.trees import Tree
from headstart.sites.refusals import Refused

_SCALE = 2**32
"""Numbers travel as multiples of 1 / _SCALE, modulo 2**64."""

_MOST = 2**30
"""Largest sum of all clients, in absolute value."""


def mask(sums: Tree, name: str, secret: X25519PrivateKey, keys: Mapping[str, str], round_name: str) -> Tree:
    """Return the sums in fixed point, hidden under one mask per other client.

    Args:
        sums: float64.
        name: of this client.
        secret: its key.
        keys: public keys of all clients of this round, in hex.
        round_name: never used twice with the same keys.

    Raises:
        Refused: a number is too large for the fixed point, or nobody else takes part.
    """
    if len(keys) < 3 or name not in keys:
        raise Refused(f"secure sums need 3 clients or more, received {len(keys)}: with two, one could read the other's")
    found = {}
    for tensor, value in sums.items():
        flat = value.double().numpy()
        if not np.isfinite(flat).all() or np.abs(flat).max(initial=0) * len(keys) > _MOST:
            raise Refused(
                f"secure sums carry numbers up to {_MOST // len(keys)}, '{tensor}' has a larger one; scale down"
            )
        found[tensor] = np.rint(flat * _SCALE).astype(np.int64).view(np.uint64)
    for other, key in keys.items():
        if other != name:
            _add_mask(found, _stream_key(secret, key, round_name), sign=name < other)
    return {tensor: torch.from_numpy(value.view(np.int64)) for tensor, value in found.items()}


def unmask(masked: Sequence[Tree]) -> Tree:
    """Return the sum of all clients' sums, float64; right only if every client of the round is there."""
    total = {name: sum(tree[name].numpy().view(np.uint64) for tree in masked) for name in masked[0]}
    return {name: torch.from_numpy(np.asarray(value).view(np.int64) / _SCALE) for name, value in total.items()}


def _stream_key(secret: X25519PrivateKey, public: str, round_name: str) -> bytes:
    shared = secret.exchange(X25519PublicKey.from_public_bytes(bytes.fromhex(public)))
    return HKDF(hashes.SHA256(), 32, None, b"headstart sums " + round_name.encode()).derive(shared)


def _add_mask(found: dict[str, Array], key: bytes, *, sign: bool) -> None:
    """Add or subtract a pair's stream of random numbers, in place."""
    stream = Cipher(algorithms.ChaCha20(key, bytes(16)), None).encryptor()
    for name in sorted(found):
        value = found[name]
        drawn = np.frombuffer(stream.update(bytes(value.nbytes)), np.uint64).reshape(value.shape)
        found[name] = value + drawn if sign else value - drawn
