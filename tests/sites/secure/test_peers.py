"""Keys of masks that a server made up are refused by name, where a site has pinned its peers."""

from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key

from headstart.sites.refusals import Refused
from headstart.sites.secure.peers import Peers
from sites.exchanged import Round, parties

NAMES = ("ada", "ben", "cleo")
KEYS = {name: generate_private_key(SECP384R1()) for name in (*NAMES, "mallory")}
PINNED = {name: KEYS[name].public_key() for name in NAMES}


def signing(folder: Path) -> Round:
    """Return three sites that have pinned each other, and one that nobody has."""
    peers = {name: Peers(key, PINNED) for name, key in KEYS.items()}
    return Round(parties(folder, tuple(KEYS), peers), threshold=3)


def test_peers_that_are_pinned_take_part(tmp_path: Path) -> None:
    run = signing(tmp_path)
    assert set(run.shared(run.keyed(NAMES), NAMES)) == {*NAMES}


def test_a_peer_that_is_not_pinned_is_refused(tmp_path: Path) -> None:
    run = signing(tmp_path)
    with pytest.raises(Refused, match=r"'ada' hides its values with pinned peers alone, and 'mallory' is none of them"):
        run.sites["ada"].shares(run.keyed(KEYS))


@pytest.mark.parametrize("field", ["mask", "seal", "own"])
def test_keys_in_anothers_name_are_refused(field: str, tmp_path: Path) -> None:
    run = signing(tmp_path)
    asked, false = run.keyed(NAMES), run.sites["mallory"]
    made = Round({"mallory": false}, name="1" * 32).keyed(["mallory"]).keys["mallory"]
    changed = replace(asked.keys["ben"], **{field: getattr(made, field)})
    for keys in (changed, made, replace(asked.keys["ben"], signature="")):
        with pytest.raises(Refused, match="the keys of 'ben' are not signed with the key that 'ada' has pinned for it"):
            run.sites["ada"].shares(replace(asked, keys={**asked.keys, "ben": keys}))


def test_keys_of_another_exchange_are_refused(tmp_path: Path) -> None:
    """Whose secrets the server may know by now."""
    run = signing(tmp_path)
    before = Round(run.sites, threshold=3, name="1" * 32).keyed(NAMES)
    asked = run.keyed(NAMES)
    with pytest.raises(Refused, match="the keys of 'ben' are not signed"):
        run.sites["ada"].shares(replace(asked, keys={**asked.keys, "ben": before.keys["ben"]}))


def test_without_pins_whatever_the_server_says_is_taken(tmp_path: Path) -> None:
    run = Round(parties(tmp_path, NAMES), threshold=3)
    asked = run.keyed(NAMES)
    assert asked.keys["ben"].signature == ""
    assert run.sites["ada"].shares(asked).sealed.keys() == {*NAMES}
