"""The operator's own way to the link: a port of this machine alone, a token and a secret, in a private file."""

from __future__ import annotations

import json
import secrets
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from socket import create_connection, create_server

from headstart.core.errors import ClientError, HeadstartError, SettingError
from headstart.core.files import write_private
from headstart.sites.flower.keys import check_private
from headstart.sites.flower.programs import free_ports
from headstart.sites.wire import read

_FILE = "door.json"


@dataclass(frozen=True)
class Door:
    """Where the link takes orders, and what it wants to hear first.

    Attributes:
        port: on loopback.
        token: for starting runs and letting sites in.
        secret: for speaking as a run.
    """

    port: int
    token: str
    secret: str

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    @classmethod
    def at(cls, port: int) -> Door:
        """Return a door with a new token and a new secret."""
        return cls(port, secrets.token_urlsafe(32), secrets.token_hex(32))


def new_door(home: Path) -> Door:
    """Return a door with a new token and a new secret; at the port of the one before, where a run that is on looks."""
    with suppress(HeadstartError, OSError), create_server(("127.0.0.1", read_door(home).port)) as one:
        return Door.at(int(one.getsockname()[1]))
    return Door.at(free_ports(1)[0])


def write_door(home: Path, door: Door) -> None:
    """Write a door's file, for its owner's eyes alone."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(home / _FILE, json.dumps(asdict(door)).encode())


def check_no_door(home: Path) -> None:
    """Check that no link is up with the same home, whose door a second one would take the place of.

    Raises:
        SettingError: one is.
    """
    with suppress(ClientError, OSError):
        port = read_door(home).port
        create_connection(("127.0.0.1", port), timeout=1).close()
        raise SettingError(
            f"--home: must be of one link, received '{home}', whose link is up (port {port}); end that, or name another"
        )


def read_door(home: Path) -> Door:
    """Read the door of a link that is up.

    Raises:
        ClientError: no link has written one here.
        SettingError: others than its owner can read it.
    """
    path = home / _FILE
    if not path.is_file():
        raise ClientError(
            f"federate: no link is up with --home '{home}'; start 'headstart federate up' on this machine"
        )
    check_private(path)
    return read(Door, path.read_text(encoding="utf-8"), f"'{path}'")
