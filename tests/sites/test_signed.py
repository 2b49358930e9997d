"""Whoever carries requests and answers can lose them, and no more: forged, altered, swapped and replayed ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from headstart.core.errors import ClientError
from headstart.sites.signed import Obeyed, Orders, Sealed

NOW, TREE, ASKED = 1_700_000_000.0, b"tensors", '{"a": 1}'
DAY = 86400.0


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


class Pair:
    """An operator, and two sites that trust it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock, self.signer = folder, Clock(), Ed25519PrivateKey.generate()
        self.keys: dict[str, EllipticCurvePrivateKey] = {
            name: generate_private_key(SECP384R1()) for name in ("north", "south")
        }
        self.orders = self.operator()

    def operator(self, key: Ed25519PrivateKey | None = None) -> Orders:
        public = {name: key.public_key() for name, key in self.keys.items()}
        return Orders(key or self.signer, public, clock=self.clock)

    def site(self, name: str = "north") -> Obeyed:
        public = self.signer.public_key().public_bytes_raw()
        return Obeyed(name, public, self.keys[name], self.folder / name / "orders.json", self.clock)

    def order(self, site: str = "north", text: str = ASKED, seconds: float = 60) -> Sealed:
        return self.orders.seal(site, "hello", text, TREE, seconds)


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


def _take(site: Obeyed, order: Sealed, text: str = ASKED, kind: str = "hello", tree: bytes = TREE) -> None:
    site.take(order, kind, text, tree)


def test_what_the_operator_signed_is_answered_and_the_answer_believed(pair: Pair) -> None:
    order, site = pair.order(), pair.site()
    _take(site, order)
    text, tree, sealed = site.keep(order, "yes", b"sums")
    assert pair.orders.check(order, sealed, text, tree) == "north"


@pytest.mark.parametrize("signature", ["", "no hex", "00", "ff" * 64])
def test_an_unsigned_request_is_refused(pair: Pair, signature: str) -> None:
    with pytest.raises(ClientError, match="not signed by the key that this site trusts; nothing was done"):
        _take(pair.site(), replace(pair.order(), signature=signature))


def test_a_request_signed_by_another_operator_is_refused(pair: Pair) -> None:
    order = pair.operator(Ed25519PrivateKey.generate()).seal("north", "hello", ASKED, TREE, 60)
    with pytest.raises(ClientError, match="not signed by the key that this site trusts"):
        _take(pair.site(), order)


@pytest.mark.parametrize("field", ["kind", "site", "run", "number", "expires", "text", "tree"])
def test_no_field_of_a_signed_request_can_be_altered(pair: Pair, field: str) -> None:
    order = pair.order()
    said = json.loads(order.text)
    said[field] = {"number": 7, "expires": NOW + 999}.get(field, "0" * 32)
    with pytest.raises(ClientError, match="not signed by the key that this site trusts"):
        _take(pair.site(), replace(order, text=json.dumps(said)))


@pytest.mark.parametrize("changed", [{"text": '{"a": 2}'}, {"kind": "sums"}, {"tree": b"others"}])
def test_content_altered_under_a_signature_is_refused(pair: Pair, changed: dict[str, str | bytes]) -> None:
    with pytest.raises(ClientError, match="or changed on its way"):
        _take(pair.site(), pair.order(), **changed)  # type: ignore[arg-type]


def test_a_request_for_another_site_is_refused(pair: Pair) -> None:
    with pytest.raises(ClientError, match="was signed for 'north'"):
        _take(pair.site("south"), pair.order("north"))


@pytest.mark.parametrize(("later", "seconds"), [(3600.0, 60.0), (-3600.0, 7 * DAY), (0.0, 30 * DAY)])
def test_a_request_of_another_time_is_refused(pair: Pair, later: float, seconds: float) -> None:
    order = pair.order(seconds=seconds)
    pair.clock.now += later
    with pytest.raises(ClientError, match="set the clocks of both machines"):
        _take(pair.site(), order)


def test_an_old_request_is_not_answered_again(pair: Pair) -> None:
    first, second = pair.order(), pair.order(text="{}")
    _take(pair.site(), first)
    _take(pair.site(), second, "{}")
    with pytest.raises(ClientError, match="request 0 of the run was answered already"):
        _take(pair.site(), first)


def test_requests_in_another_order_are_refused(pair: Pair) -> None:
    first, second = pair.order(), pair.order()
    _take(pair.site(), second)
    with pytest.raises(ClientError, match="request 0 of the run was answered already"):
        _take(pair.site(), first)


def test_a_number_with_other_content_is_refused(pair: Pair) -> None:
    _take(pair.site(), pair.order())
    twin = Orders(pair.signer, pair.orders.sites, run=pair.orders.run, clock=pair.clock)
    with pytest.raises(ClientError, match="it is not answered otherwise"):
        _take(pair.site(), twin.seal("north", "hello", "{}", TREE, 60), "{}")


def test_the_same_request_has_the_same_answer_after_a_restart(pair: Pair) -> None:
    order = pair.order()
    _take(pair.site(), order)
    assert pair.site().kept(order) is None
    answered = pair.site().keep(order, "noise 1", b"sums\nof two lines")
    _take(pair.site(), order)
    assert pair.site().kept(order) == answered
    assert pair.site().kept(pair.order()) is None


def test_a_kept_answer_that_was_damaged_is_made_again(pair: Pair) -> None:
    order = pair.order()
    _take(pair.site(), order)
    answered = pair.site().keep(order, "{}", b"tree")
    (path,) = pair.site().path.parent.glob("answered-*")
    content = path.read_bytes()
    for place in range(0, len(content), 5):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        # What says again whose answer it is, is not needed.
        assert pair.site().kept(order) in (None, answered)
    path.write_bytes(content[:-1])
    assert pair.site().kept(order) is None


def test_kept_answers_are_for_their_owner_alone_and_go_when_their_request_has_expired(pair: Pair) -> None:
    order, site = pair.order(), pair.site()
    _take(site, order)
    site.keep(order, "yes", b"")
    (path,) = (pair.folder / "north").glob("answered-*")
    assert path.stat().st_mode & 0o077 == 0
    pair.clock.now += DAY
    pair.orders = pair.operator()
    _take(site, pair.order())
    assert not path.exists()


def test_a_restart_forgets_no_number(pair: Pair) -> None:
    first, second = pair.order(seconds=DAY), pair.order()
    _take(pair.site(), first)
    _take(pair.site(), second)
    pair.clock.now += DAY / 2
    with pytest.raises(ClientError, match="answered already"):
        _take(pair.site(), first)


def _other_site(pair: Pair, order: Sealed) -> tuple[str, bytes, Sealed]:
    return pair.site("south").keep(order, "yes", b"")


def _altered_text(pair: Pair, order: Sealed) -> tuple[str, bytes, Sealed]:
    return ("no", *pair.site().keep(order, "yes", b"")[1:])


def _altered_tensors(pair: Pair, order: Sealed) -> tuple[str, bytes, Sealed]:
    text, _, sealed = pair.site().keep(order, "yes", b"")
    return text, b"-", sealed


def _of_an_earlier_request(pair: Pair, order: Sealed) -> tuple[str, bytes, Sealed]:
    return pair.site().keep(pair.order(), "yes", b"")


def _unsigned(pair: Pair, order: Sealed) -> tuple[str, bytes, Sealed]:
    text, tree, sealed = pair.site().keep(order, "yes", b"")
    return text, tree, replace(sealed, signature="")


@pytest.mark.parametrize("forge", [_other_site, _altered_text, _altered_tensors, _of_an_earlier_request, _unsigned])
def test_a_forged_swapped_or_replayed_answer_is_not_read(
    pair: Pair, forge: Callable[[Pair, Sealed], tuple[str, bytes, Sealed]]
) -> None:
    order = pair.order()
    text, tree, sealed = forge(pair, order)
    with pytest.raises(ClientError, match="it was not read"):
        pair.orders.check(order, sealed, text, tree)
