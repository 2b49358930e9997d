"""Keys of an exchange, each for one purpose, from seeds that are shared: X25519, and HKDF with SHA-256 (RFC 5869)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from headstart.sites.refusals import Refused
from headstart.sites.secure.messages import Shares
from headstart.sites.signed import digest
from headstart.sites.wire import write

SEED_BYTES = 16
"""Of a secret that is shared: 128 bits, as much as X25519 gives, and what Shamir's scheme takes at once."""


def public_of(seed: bytes) -> str:
    """Return the public key, in hex, of the private one that a seed stands for."""
    return _private(seed).public_key().public_bytes_raw().hex()


def mark_of(own: bytes) -> str:
    """Return the hash of the seed of a site's own mask, by which a false one is known."""
    return hashlib.sha256(b"headstart secure own" + own).hexdigest()


@dataclass(frozen=True)
class Context:
    """An exchange as one site was told of it: who is told otherwise than the rest has other keys, and no part in it.

    Attributes:
        asked: with whom secrets are shared, and how.
    """

    asked: Shares

    @cached_property
    def _name(self) -> str:
        return digest(write(self.asked))

    def own_mask(self, seed: bytes) -> bytes:
        """Return the key of a site's own mask."""
        return _derived(seed, f"own {self._name}")

    def pair_mask(self, seed: bytes, other: str) -> bytes:
        """Return the key of the mask that two sites have, of the seed of one and the name of the other.

        Raises:
            Refused: the other's public key is none.
        """
        return _pair(seed, self.asked.keys[other].mask, f"mask {self._name}", other)

    def sealing(self, seed: bytes, other: str, *, sender: str, receiver: str) -> bytes:
        """Return the key of what one site sends to another, of the seed of one of them; it seals one message.

        Raises:
            Refused: the other's public key is none.
        """
        purpose = f"seal {self._name} {digest(sender)} {digest(receiver)}"
        return _pair(seed, self.asked.keys[other].seal, purpose, other)


def _private(seed: bytes) -> X25519PrivateKey:
    return X25519PrivateKey.from_private_bytes(_derived(seed, "key"))


def _pair(seed: bytes, public: str, purpose: str, name: str) -> bytes:
    try:
        shared = _private(seed).exchange(X25519PublicKey.from_public_bytes(bytes.fromhex(public)))
    except ValueError:
        raise Refused(f"secure sums: the key of '{name}' is no public key") from None
    return _derived(shared, purpose)


def _derived(secret: bytes, purpose: str) -> bytes:
    """Return 32 bytes for one purpose, which tell nothing of those for another."""
    return HKDF(hashes.SHA256(), 32, None, f"headstart secure {purpose}".encode()).derive(secret)
