"""Keys of masks are signed with a site's own key, so that peers who know it need not believe the server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA384

from headstart.sites.refusals import Refused
from headstart.sites.secure.messages import Keyed


@dataclass(frozen=True, eq=False)
class Peers:
    """Whose keys a site believes, and the one that it signs its own with.

    Attributes:
        key: its own; None signs nothing.
        pinned: public keys of the sites with which it hides its values, by name; empty takes what the server says.
    """

    key: EllipticCurvePrivateKey | None = None
    pinned: Mapping[str, EllipticCurvePublicKey] = field(default_factory=dict)

    def sign(self, exchange: str, site: str, mask: str, seal: str, own: str) -> Keyed:
        """Return keys for one exchange, signed."""
        text = _text(exchange, site, mask, seal, own)
        return Keyed(mask, seal, own, self.key.sign(text, ECDSA(SHA384())).hex() if self.key else "")

    def check(self, exchange: str, site: str, keys: Mapping[str, Keyed]) -> None:
        """Look whether everybody's keys are theirs, where peers are pinned.

        Raises:
            Refused: a peer is not pinned, or its keys are not signed with its own for this exchange.
        """
        for name, said in keys.items() if self.pinned else ():
            if name != site:
                self._check(exchange, site, name, said)

    def _check(self, exchange: str, site: str, name: str, said: Keyed) -> None:
        if name not in self.pinned:
            raise Refused(f"'{site}' hides its values with pinned peers alone, and '{name}' is none of them ([peers])")
        try:
            text = _text(exchange, name, said.mask, said.seal, said.own)
            self.pinned[name].verify(bytes.fromhex(said.signature), text, ECDSA(SHA384()))
        except InvalidSignature:
            raise Refused(
                f"the keys of '{name}' are not signed with the key that '{site}' has pinned for it; nothing was sent"
            ) from None


def _text(exchange: str, site: str, mask: str, seal: str, own: str) -> bytes:
    """Return what a signature covers."""
    return json.dumps(["headstart secure keys", exchange, site, mask, seal, own]).encode()
