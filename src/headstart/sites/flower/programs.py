"""Where a link is, by which keys it is known, and the program that it runs as."""

from __future__ import annotations

import errno
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from headstart.core.errors import ClientError, SettingError
from headstart.core.files import file_name, write_text
from headstart.sites.flower.keys import check_dates, read_site_keys, read_site_secret
from headstart.sites.settings import ADDRESS, NodeSettings


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
        if not host or not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 2**16):
            raise SettingError(
                f"--address: must be host:port, with a port from 1 to 65535, received '{self.address}'; write for "
                f"example '{ADDRESS}'"
            )
        return host.strip("[]"), int(port)

    def check_address(self) -> None:
        """Check that the address is one.

        Raises:
            SettingError: it is no ``host:port``.
        """
        _ = self.place

    def check_free(self) -> None:
        """Check that this machine can listen at the address.

        Raises:
            SettingError: another program does, or it is no address of this machine.
        """
        host, port = self.place
        try:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
            socket.create_server((host, port), family=family).close()
        except OSError as error:
            rule, way_out = _WAYS_OUT.get(error.errno or 0, _NOT_OURS)
            raise SettingError(f"--address: must be {rule}, received '{self.address}'; {way_out}") from None

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

    def check_pair(self, certificate: str, key: str) -> None:
        """Check that a key is the one of a certificate that is there.

        Raises:
            SettingError: it is another one, is missing, or others' to read.
        """
        known = x509.load_pem_x509_certificate((self.keys / certificate).read_bytes()).public_key()
        if read_site_secret(self.keys / key).public_key() != known:
            raise SettingError(
                f"keys: '{self.keys / key}' must be the key of '{certificate}', received another; copy both from where "
                "the keys were made"
            )

    def certificate_of(self, site: str) -> str:
        """Name the file of a site's certificate within the keys."""
        return f"sites/{file_name(site)}.crt"

    def wait(self, seconds: float = 60, *, running: Callable[[], bool] = lambda: True) -> None:
        """Wait until somebody listens.

        Args:
            seconds: at most.
            running: whether the program that is to listen goes on.

        Raises:
            ClientError: the time is up, or the program has ended.
        """
        end = time.monotonic() + seconds
        while True:
            try:
                with socket.create_connection(self.place, timeout=1):
                    return
            except OSError:
                if not running():
                    raise ClientError("federate up: the link ended as it began; its lines above say why") from None
                if time.monotonic() > end:
                    raise ClientError(
                        f"federate: nobody listens at {self.address}; start 'headstart federate up'"
                    ) from None
                time.sleep(0.2)


_TAKEN = ("free", "another program listens there: end it, or name another port")
_NOT_OURS = ("an address of this machine", "0.0.0.0 stands for all that it has")
_WAYS_OUT = {
    errno.EADDRINUSE: _TAKEN,
    errno.EACCES: ("a port that this user may open", "ports below 1024 are for the administrator: name another"),
}


def free_ports(count: int) -> list[int]:
    """Return ports of this machine that nobody uses now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports
