"""Requests signed by the operator, answers signed by the site: whoever carries them can lose them, and no more.

A request is for one site, one run and one moment: its signature covers what is asked, of whom, in which run, as which
number, until when. An answer's covers the request that it answers. Signatures are Ed25519 and ECDSA over P-384.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA384
from pydantic import Field, NonNegativeInt, PositiveFloat
from pydantic.dataclasses import dataclass as message

from headstart.core.errors import ClientError
from headstart.core.files import read_json, write_atomically, write_json, write_private
from headstart.sites.messages import Name
from headstart.sites.said import CONFIG
from headstart.sites.wire import read, write

_Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

_SKEW_SECONDS = 300.0
"""How far the clocks of server and site may be apart."""

_LONGEST_SECONDS = 7 * 86400.0
"""How long a request may be valid: as long as a site remembers its number."""


@message(frozen=True, config=CONFIG)
class Order:
    """What a request's signature covers.

    Attributes:
        kind: of request.
        site: whom it is for.
        run: names the run, at random.
        number: of the request to this site in the run.
        expires: seconds since 1970.
        text: SHA-256 of what is said.
        tree: SHA-256 of the tensors as they travel.
    """

    kind: str
    site: str
    run: Name
    number: NonNegativeInt
    expires: PositiveFloat
    text: _Digest
    tree: _Digest


@message(frozen=True, config=CONFIG)
class _Receipt:
    """What an answer's signature covers: the request that it answers, what is said and the tensors, by SHA-256."""

    order: _Digest
    text: _Digest
    tree: _Digest


@dataclass(frozen=True)
class Sealed:
    """Something signed: JSON of an :class:`Order` or a :class:`_Receipt`, and the signature in hex."""

    text: str
    signature: str


_Signed = tuple[str, bytes, Sealed]
"""An answer: what is said, its tensors as they travel, and what was signed of both."""


def digest(content: bytes | str) -> str:
    """Return SHA-256 in hex.

    >>> digest("")[:8]
    'e3b0c442'
    """
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


@dataclass(frozen=True, eq=False)
class Orders:
    """The operator's half: signs requests of one run, and looks whether an answer is its site's.

    Attributes:
        key: that signs.
        sites: public keys by name.
        run: names the run.
        clock: seconds since 1970.
    """

    key: Ed25519PrivateKey
    sites: Mapping[str, EllipticCurvePublicKey]
    run: str = field(default_factory=lambda: secrets.token_hex(16))
    clock: Callable[[], float] = time.time
    _asked: dict[str, int] = field(default_factory=dict)

    def seal(self, site: str, kind: str, text: str, tree: bytes, seconds: float) -> Sealed:
        """Sign a request that is valid for so many seconds."""
        self._asked[site] = number = self._asked.get(site, -1) + 1
        order = Order(kind, site, self.run, number, self.clock() + seconds, digest(text), digest(tree))
        said = write(order)
        return Sealed(said, self.key.sign(said.encode()).hex())

    def check(self, order: Sealed, receipt: Sealed, text: str, tree: bytes) -> str:
        """Return whose answer it is.

        Raises:
            ClientError: it is not signed by the site that was asked, or answers something else.
        """
        site = read(Order, order.text, "its order").site
        _verify_site(self.sites[site], receipt, site)
        if read(_Receipt, receipt.text, "its receipt") != _Receipt(digest(order.text), digest(text), digest(tree)):
            raise ClientError(f"the answer is signed by '{site}', but answers another request; it was not read")
        return site


@dataclass(frozen=True, eq=False)
class Obeyed:
    """The site's half: takes each request once, of whom its operator trusts, and signs what it answers.

    Attributes:
        name: of the site.
        signer: public key of the operator, 32 bytes.
        key: the site's own.
        path: file of the numbers that were taken.
        clock: seconds since 1970.
    """

    name: str
    signer: bytes
    key: EllipticCurvePrivateKey
    path: Path
    clock: Callable[[], float] = time.time

    def take(self, order: Sealed, kind: str, text: str, tree: bytes) -> None:
        """Look whether a request may be answered, and remember it.

        The same request may come again, and is answered as before; a number with other content may not.

        Raises:
            ClientError: it is not signed, changed on its way, for another site, too old, or its number was taken.
        """
        _verify_operator(self.signer, order)
        said = read(Order, order.text, "the order")
        if (said.kind, said.site, said.text, said.tree) != (kind, self.name, digest(text), digest(tree)):
            raise ClientError(f"the request was signed for '{said.site}' and '{said.kind}', or changed on its way")
        self._check_time(said.expires)
        self._remember(said, digest(order.text))

    def keep(self, order: Sealed, text: str, tree: bytes) -> _Signed:
        """Sign the answer to a request, and keep it on disk in the place of the run's last one."""
        said = write(_Receipt(digest(order.text), digest(text), digest(tree)))
        sealed = Sealed(said, self.key.sign(said.encode(), ECDSA(SHA384())).hex())
        head = json.dumps({"order": digest(order.text), "text": text, "sealed": [sealed.text, sealed.signature]})
        path = self._answered(read(Order, order.text, "the order").run)
        write_atomically(path, lambda new: write_private(new, head.encode() + b"\n" + tree))
        return text, tree, sealed

    def kept(self, order: Sealed) -> _Signed | None:
        """Return what a request that was taken was answered before; None if it is new, or its file is damaged."""
        path = self._answered(read(Order, order.text, "the order").run)
        head, _, tree = path.read_bytes().partition(b"\n") if path.is_file() else (b"", b"", b"")
        try:
            found = json.loads(head)
            text, sealed = found["text"], Sealed(*found["sealed"])
            is_whole = sealed.text == write(_Receipt(digest(order.text), digest(text), digest(tree)))
            _verify_site(self.key.public_key(), sealed, self.name)
        except (ValueError, KeyError, TypeError, AttributeError, ClientError):
            return None
        return (text, tree, sealed) if is_whole else None

    def _answered(self, run: str) -> Path:
        return self.path.with_name(f"answered-{run}")

    def _check_time(self, expires: float) -> None:
        now = self.clock()
        if not now - _SKEW_SECONDS < expires < now + _LONGEST_SECONDS + _SKEW_SECONDS:
            raise ClientError(
                f"the request is valid until {expires:.0f} (seconds since 1970), and it is {now:.0f} here; set the "
                "clocks of both machines"
            )

    def _remember(self, said: Order, name: str) -> None:
        """Keep the number on disk before anything is done, so that not even a restart forgets it."""
        known: dict[str, Any] = read_json(self.path) or {}
        last = known.get(said.run, {"number": -1, "order": ""})
        if said.number < last["number"] or (said.number == last["number"] and name != last["order"]):
            raise ClientError(f"request {said.number} of the run was answered already; it is not answered otherwise")
        kept = {run: one for run, one in known.items() if one["expires"] > self.clock() - _SKEW_SECONDS}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        now = {"number": said.number, "order": name, "expires": max(said.expires, last.get("expires", 0.0))}
        write_json(self.path, {**kept, said.run: now})
        for run in {*known} - {*kept, said.run}:
            self._answered(run).unlink(missing_ok=True)


def _verify_operator(signer: bytes, order: Sealed) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(signer).verify(bytes.fromhex(order.signature), order.text.encode())
    except (InvalidSignature, ValueError):
        raise ClientError("the request is not signed by the key that this site trusts; nothing was done") from None


def _verify_site(key: EllipticCurvePublicKey, receipt: Sealed, site: str) -> None:
    try:
        key.verify(bytes.fromhex(receipt.signature), receipt.text.encode(), ECDSA(SHA384()))
    except (InvalidSignature, ValueError):
        raise ClientError(f"the answer is not signed by the key of '{site}'; it was not read") from None
