"""A link that is started again is found where a run looks for it; a folder is of one link at a time."""

from pathlib import Path
from socket import create_server

import pytest

pytest.importorskip("flwr")

from headstart.core.errors import SettingError
from headstart.sites.flower.door import Door, check_no_door, new_door, read_door, write_door


def test_a_second_link_does_not_take_the_door_of_one_that_is_up(tmp_path: Path) -> None:
    check_no_door(tmp_path)
    with create_server(("127.0.0.1", 0)) as link:
        port = link.getsockname()[1]
        write_door(tmp_path, Door.at(port))
        with pytest.raises(
            SettingError, match=rf"--home: must be of one link, .*up \(port {port}\); end that, or name"
        ):
            check_no_door(tmp_path)
    check_no_door(tmp_path)


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
