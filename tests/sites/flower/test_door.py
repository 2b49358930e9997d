"""A folder is of one link at a time."""

import socket
from pathlib import Path

import pytest

from headstart.core.errors import SettingError
from headstart.sites.flower.door import Door, check_no_door, write_door


def test_a_second_link_does_not_take_the_door_of_one_that_is_up(tmp_path: Path) -> None:
    check_no_door(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as link:
        port = link.getsockname()[1]
        write_door(tmp_path, Door.at(port))
        with pytest.raises(
            SettingError, match=rf"--home: must be of one link, .*up \(port {port}\); end that, or name"
        ):
            check_no_door(tmp_path)
    check_no_door(tmp_path)
