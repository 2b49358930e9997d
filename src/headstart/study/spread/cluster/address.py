"""Where a cluster is: said before anything is opened."""

from __future__ import annotations

from headstart.core.errors import SettingError, require

AUTO = "auto"
"""The cluster that runs on this machine, or else one that is started on its cores."""

_CLIENT = "ray://"
_PORTS = {"": 6379, _CLIENT: 10001}
"""Where a head usually listens: to its machines, and to programs elsewhere."""


def check_cluster(address: str) -> None:
    """Check an address, and that Ray is installed.

    Raises:
        SettingError: it is none.
        MissingExtra: Ray is not installed.
    """
    if address != AUTO:
        endpoint(address)
    require("ray", "cluster")


def endpoint(address: str) -> tuple[str, int]:
    """Return the host and the port of an address.

    Raises:
        SettingError: it is none.

    >>> endpoint("head:6379"), endpoint("ray://10.0.0.1:10001"), endpoint("[::1]:6379")
    (('head', 6379), ('10.0.0.1', 10001), ('::1', 6379))
    """
    scheme = _CLIENT if address.startswith(_CLIENT) else ""
    host, _, port = address.removeprefix(scheme).rpartition(":")
    if not host or "/" in host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise SettingError(
            f"cluster: must be {AUTO}, HOST:PORT or {_CLIENT}HOST:PORT, received {address!r}; the port of a head is "
            f"usually {_PORTS[scheme]}"
        )
    return host.strip("[]"), int(port)
