"""A link that is started again is found where a run looks for it, with other secrets."""

from pathlib import Path
from socket import create_server

import pytest

pytest.importorskip("flwr")

from headstart.sites.flower.door import new_door, read_door, write_door


def test_a_door_stays_at_its_port_with_new_secrets(tmp_path: Path) -> None:
    first = new_door(tmp_path)
    write_door(tmp_path, first)
    second = new_door(tmp_path)
    assert second.port == first.port
    assert second.token != first.token
    assert second.secret != first.secret
    assert read_door(tmp_path) == first


def test_a_port_that_another_has_taken_is_left_to_it(tmp_path: Path) -> None:
    first = new_door(tmp_path)
    write_door(tmp_path, first)
    with create_server(("127.0.0.1", first.port)):
        assert new_door(tmp_path).port != first.port
