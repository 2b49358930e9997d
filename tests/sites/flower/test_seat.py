"""A seat is given up by the one program that holds the folder's lock, and at the link that it was taken at."""

from pathlib import Path

import pytest

from headstart.sites.flower.seat import seat

pytest.importorskip("fcntl")

LINK, NUMBER = "127.0.0.1:8000", 2**63 + 5


def test_who_comes_after_a_killed_program_knows_its_seat(tmp_path: Path) -> None:
    with seat(tmp_path) as first:
        assert first.left(LINK) is None
        first.take(LINK, NUMBER)
    with seat(tmp_path) as second:
        assert second.left(LINK) == NUMBER
        assert second.left("elsewhere:8000") is None


def test_a_second_program_takes_nobodys_seat(tmp_path: Path) -> None:
    with seat(tmp_path) as first, seat(tmp_path) as second:
        first.take(LINK, NUMBER)
        assert second.left(LINK) is None
        second.take(LINK, 1)
        assert first.left(LINK) == NUMBER
