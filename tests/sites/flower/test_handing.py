"""Each client gets its own key and no other's, in a folder that it can start from."""

import os
import stat
from pathlib import Path

import pytest

pytest.importorskip("cryptography")

from headstart.sites.flower.handing import hand_out
from headstart.sites.flower.keys import make_keys, read_public_key, read_site_secret, renew_keys
from headstart.sites.flower.programs import Link


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    make_keys(tmp_path / "keys", ["127.0.0.1"], ["north", "St. Mary's"])
    return tmp_path / "keys"


def test_a_client_gets_its_own_key_and_no_others(keys: Path) -> None:
    north, mary = hand_out(keys)["north"], next(path for name, path in hand_out(keys).items() if name != "north")
    found = {str(path.relative_to(north)) for path in north.rglob("*") if path.is_file()}
    assert found == {"ca.crt", "signer.pub", "sites/north", "sites/north.crt"}
    link = Link("127.0.0.1:8000", mary, mary)
    certificate = link.certificate_of("St. Mary's")
    assert link.check_keys("ca.crt", certificate) == []
    own, made = (read_site_secret(folder / certificate.removesuffix(".crt")) for folder in (mary, keys))
    assert own.private_numbers() == made.private_numbers()
    assert read_public_key(mary / "signer.pub") == read_public_key(keys / "signer.pub")


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such modes")
def test_nobody_else_can_read_it(keys: Path) -> None:
    for path in hand_out(keys)["north"].rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_what_is_handed_out_anew_is_new_and_of_those_who_are_left(keys: Path) -> None:
    before = {name: (path / "ca.crt").read_bytes() for name, path in hand_out(keys).items()}
    for path in (keys / "sites").glob("north*"):
        path.unlink()
    renew_keys(keys, ["127.0.0.1"])
    now = hand_out(keys)
    assert (len(before), len(now)) == (2, 1)
    assert [path.name for path in (keys / "to").iterdir()] == list(now)
    (path,) = now.values()
    assert (path / "ca.crt").read_bytes() == (keys / "ca.crt").read_bytes() != before[path.name]
