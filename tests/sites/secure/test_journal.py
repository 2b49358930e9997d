"""What a site remembers of an exchange is believed whole or not at all, and forgotten in the end."""

from pathlib import Path

import pytest

from headstart.sites.refusals import Refused
from headstart.sites.secure.journal import Entrusted, Journal, Kept, Secrets
from sites.exchanged import NAME

KEPT = Kept("masked", Secrets(b"\x00\xff" * 8, b"b" * 16, b"c" * 16), None, {"ben": Entrusted(b"\x80" * 16, b"e" * 16)})


def test_what_was_kept_comes_back(tmp_path: Path) -> None:
    Journal(tmp_path).begin(NAME, KEPT)
    assert Journal(tmp_path).at(NAME, "masked") == KEPT
    (path,) = tmp_path.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600


def test_every_bit_counts(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.begin(NAME, KEPT)
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    for place in range(0, len(content), 7):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(Refused):
            journal.at(NAME, "masked")
    for damage in (b"", b"{", b"\x00" * 40):
        path.write_bytes(damage)
        with pytest.raises(Refused, match="was damaged and is gone"):
            journal.at(NAME, "masked")


def test_old_exchanges_are_forgotten_with_their_secrets(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    names = [f"{number:032x}" for number in range(20)]
    for name in names:
        journal.begin(name, KEPT)
    assert len(list(tmp_path.iterdir())) == 8
    assert journal.at(names[-1], "masked") == KEPT
    with pytest.raises(Refused, match="knows no such exchange"):
        journal.at(names[0], "masked")
