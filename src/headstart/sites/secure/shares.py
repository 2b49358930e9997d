"""A secret in shares, of which so many give it back and fewer tell nothing, each sealed for one site.

Shamir: How to Share a Secret. CACM 1979 (``pycryptodome``). Sealed with ChaCha20-Poly1305 (RFC 8439).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations, islice

from Crypto.Protocol.SecretSharing import Shamir
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from headstart.sites.refusals import Refused

_NONCE = bytes(12)
"""A key seals one message."""

_TRIES = 100
"""Choices of shares that are tried before a secret counts as lost."""


def split(secret: bytes, threshold: int, names: Sequence[str]) -> dict[str, bytes]:
    """Return a share of 16 bytes for each name, of which ``threshold`` give the secret of 16 bytes back."""
    found = Shamir.split(threshold, len(names), secret, ssss=False)
    return dict(zip(sorted(names), (share for _, share in found), strict=True))


def combined(
    shares: Mapping[str, bytes], threshold: int, names: Sequence[str], fits: Callable[[bytes], bool]
) -> bytes | None:
    """Return the secret of some shares; None where no choice of them gives it. False ones are passed over.

    Args:
        shares: by name.
        threshold: how many it takes.
        names: of all who were given one.
        fits: whether a secret is the right one.
    """
    places = {name: place for place, name in enumerate(sorted(names), start=1)}
    indexed = [(places[name], share) for name, share in sorted(shares.items())]
    tried = (bytes(Shamir.combine(list(some), ssss=False)) for some in islice(combinations(indexed, threshold), _TRIES))
    return next(filter(fits, tried), None)


def seal(key: bytes, own: bytes, mask: bytes) -> str:
    """Return two shares as only who has the key reads them, in hex; the key seals nothing else."""
    return ChaCha20Poly1305(key).encrypt(_NONCE, own + mask, None).hex()


def opened(key: bytes, sealed: str, sender: str) -> tuple[bytes, bytes]:
    """Undo :func:`seal`.

    Raises:
        Refused: it was sealed with another key, for another exchange, or changed on its way.
    """
    try:
        plain = ChaCha20Poly1305(key).decrypt(_NONCE, bytes.fromhex(sealed), None)
    except InvalidTag:
        raise Refused(
            f"secure sums: the shares of '{sender}' do not open: it was told of other keys than this site, or they "
            "were changed on their way"
        ) from None
    return plain[:16], plain[16:]
