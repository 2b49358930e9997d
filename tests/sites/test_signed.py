"""Whoever carries messages can lose them, and no more: nothing forged, changed, replayed or swapped is believed."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from headstart.core.errors import ClientError
from headstart.sites.signed import Obeyed, Orders, Sealed

OPERATOR, STRANGER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
KEYS = {name: generate_private_key(SECP384R1()) for name in ("north", "south")}
NOW = 1_000_000.0


def orders(key: Ed25519PrivateKey = OPERATOR) -> Orders:
    return Orders(key, {name: key.public_key() for name, key in KEYS.items()}, clock=lambda: NOW)


def site(folder: Path, name: str = "north", now: float = NOW) -> Obeyed:
    return Obeyed(name, OPERATOR.public_key().public_bytes_raw(), KEYS[name], folder / "orders.json", lambda: now)


def test_what_was_signed_is_done_and_its_answer_is_the_sites(tmp_path: Path) -> None:
    server, north = orders(), site(tmp_path)
    order = server.seal("north", "hello", "{}", b"w", 60)
    north.take(order, "hello", "{}", b"w")
    assert server.check(order, north.sign(order, '{"a": 1}', b"x"), '{"a": 1}', b"x") == "north"


@pytest.mark.parametrize(
    ("kind", "text", "tree"), [("update", "{}", b"w"), ("hello", "{ }", b"w"), ("hello", "{}", b"v")]
)
def test_a_request_that_was_changed_on_its_way_is_refused(kind: str, text: str, tree: bytes, tmp_path: Path) -> None:
    order = orders().seal("north", "hello", "{}", b"w", 60)
    with pytest.raises(ClientError, match="or changed on its way"):
        site(tmp_path).take(order, kind, text, tree)


def test_a_strangers_request_is_refused(tmp_path: Path) -> None:
    order = orders(STRANGER).seal("north", "hello", "{}", b"", 60)
    for forged in (order, Sealed(order.text, ""), Sealed(order.text, "zz"), Sealed("{}", order.signature)):
        with pytest.raises(ClientError, match="not signed by the key that this site trusts"):
            site(tmp_path).take(forged, "hello", "{}", b"")


def test_another_sites_request_is_refused(tmp_path: Path) -> None:
    order = orders().seal("south", "hello", "{}", b"", 60)
    with pytest.raises(ClientError, match="was signed for 'south'"):
        site(tmp_path).take(order, "hello", "{}", b"")


@pytest.mark.parametrize("later", [1000.0, -(10**7)])
def test_a_request_of_another_time_is_refused(later: float, tmp_path: Path) -> None:
    order = orders().seal("north", "hello", "{}", b"", 60)
    with pytest.raises(ClientError, match="set the clocks"):
        site(tmp_path, now=NOW + later).take(order, "hello", "{}", b"")


def test_an_older_request_is_not_answered_again_not_even_after_a_restart(tmp_path: Path) -> None:
    server = orders()
    first, second = (server.seal("north", "hello", text, b"", 60) for text in ("1", "2"))
    site(tmp_path).take(first, "hello", "1", b"")
    site(tmp_path).take(second, "hello", "2", b"")
    site(tmp_path).take(second, "hello", "2", b"")  # the same again is answered as before
    with pytest.raises(ClientError, match="request 0 of the run was answered already"):
        site(tmp_path).take(first, "hello", "1", b"")


def test_a_number_is_not_taken_with_other_content(tmp_path: Path) -> None:
    server = orders()
    twin = dataclasses.replace(server, _asked={})
    first, other = server.seal("north", "hello", "1", b"", 60), twin.seal("north", "hello", "2", b"", 60)
    site(tmp_path).take(first, "hello", "1", b"")
    with pytest.raises(ClientError, match="it is not answered otherwise"):
        site(tmp_path).take(other, "hello", "2", b"")


def test_numbers_of_runs_that_are_over_are_forgotten(tmp_path: Path) -> None:
    site(tmp_path).take(orders().seal("north", "hello", "", b"", 60), "hello", "", b"")
    late = dataclasses.replace(orders(), clock=lambda: NOW + 10_000)
    site(tmp_path, now=NOW + 10_000).take(late.seal("north", "hello", "", b"", 60), "hello", "", b"")
    assert set(json.loads((tmp_path / "orders.json").read_text())) >= {late.run}
    assert len([run for run in json.loads((tmp_path / "orders.json").read_text()) if len(run) == 32]) == 1


def test_an_answer_to_another_request_is_not_read(tmp_path: Path) -> None:
    server, north = orders(), site(tmp_path)
    first, second = (server.seal("north", "hello", text, b"", 60) for text in ("1", "2"))
    with pytest.raises(ClientError, match="answers another request"):
        server.check(second, north.sign(first, "{}", b""), "{}", b"")


@pytest.mark.parametrize(("text", "tree"), [("{ }", b"x"), ("{}", b"y")])
def test_an_answer_that_was_changed_on_its_way_is_not_read(text: str, tree: bytes, tmp_path: Path) -> None:
    server, north = orders(), site(tmp_path)
    order = server.seal("north", "hello", "{}", b"", 60)
    with pytest.raises(ClientError, match="it was not read"):
        server.check(order, north.sign(order, "{}", b"x"), text, tree)


def test_an_answer_of_another_site_is_not_read(tmp_path: Path) -> None:
    server = orders()
    order = server.seal("north", "hello", "{}", b"", 60)
    with pytest.raises(ClientError, match="not signed by the key of 'north'"):
        server.check(order, site(tmp_path, "south").sign(order, "{}", b""), "{}", b"")
