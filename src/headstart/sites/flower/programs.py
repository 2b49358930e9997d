"""Where a link is, by which keys it is known, and the program that it runs as."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from headstart.core.errors import ClientError, SettingError
from headstart.core.files import file_name, write_text
from headstart.sites.flower.keys import check_dates, read_site_keys
from headstart.sites.settings import NodeSettings


@dataclass(frozen=True)
class Link:
    """A link between server and sites.

    Attributes:
        address: ``host:port``.
        keys: folder that ``headstart federate keys`` wrote, or a site's part of it.
        home: folder for the link's own files.
    """

    address: str
    keys: Path
    home: Path

    @property
    def place(self) -> tuple[str, int]:
        """Host and port.

        Raises:
            SettingError: the address is no ``host:port``.
        """
        host, _, port = self.address.rpartition(":")
        if not host or not port.isdigit():
            raise SettingError(f"--address: must be host:port, received '{self.address}'")
        return host.strip("[]"), int(port)

    def program(self, database: Path | None = None) -> list[str]:
        """Return the command of the link; without a database it forgets everything when it ends."""
        own = [self.address, str(self.keys), str(self.home), *([str(database)] if database else [])]
        return [sys.executable, "-m", "headstart.sites.flower.link", *own]

    def node(self, node: NodeSettings) -> list[str]:
        """Return the command of a site."""
        flags: list[tuple[str, ...]] = [("--name", node.name), ("--data", node.data)]
        flags += [("--state", node.state), ("--policy", node.policy)]
        flags += [("--address", self.address), ("--keys", str(self.keys))]
        flags += [("--examples", str(node.examples)), ("--class-examples", str(node.class_examples))]
        flags += [("--noise", str(node.noise)), *([("--masked",)] if node.masked else [])]
        flags += [("--one-hot", column) for column in node.one_hot]
        return [sys.executable, "-m", "headstart", "federate", "node", *(word for flag in flags for word in flag)]

    @property
    def environment(self) -> dict[str, str]:
        """Flower's, without telemetry and update checks."""
        own = {"FLWR_HOME": str(self.home), "FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
        return {**os.environ, **own}

    def sites(self) -> Mapping[str, EllipticCurvePublicKey]:
        """Return the public key of every site of the keys, by name."""
        return read_site_keys(self.keys / "sites")

    def write_known(self) -> Path:
        """Write the certificates of all sites into one file, as the handshake wants them."""
        path = self.home / "sites.pem"
        write_text(path, "".join(one.read_text() for one in sorted((self.keys / "sites").glob("*.crt"))))
        return path

    def check_keys(self, *names: str) -> list[str]:
        """Look at certificates before anything starts; return what to say of those that end soon.

        Raises:
            SettingError: a file is missing, or a certificate has ended.
        """
        return [line for name in names for line in check_dates(self.keys / name)]

    def certificate_of(self, site: str) -> str:
        """Name the file of a site's certificate within the keys."""
        return f"sites/{file_name(site)}.crt"

    def wait(self, seconds: float = 60) -> None:
        """Wait until somebody listens.

        Raises:
            ClientError: the time is up.
        """
        end = time.monotonic() + seconds
        while True:
            try:
                with socket.create_connection(self.place, timeout=1):
                    return
            except OSError:
                if time.monotonic() > end:
                    raise ClientError(
                        f"federate: nobody listens at {self.address}; start 'headstart federate up'"
                    ) from None
                time.sleep(0.2)


def free_ports(count: int) -> list[int]:
    """Return ports of this machine that nobody uses now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports
