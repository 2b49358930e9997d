"""Who is no site reads nothing, starts nothing and registers nobody; a site can do what sites need, and no more."""

from __future__ import annotations

import os
import socket
import ssl
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

pytest.importorskip("flwr")

from flwr.proto.control_pb2 import ListRunsRequest, RegisterNodeRequest, StartRunRequest
from flwr.proto.runtime_pb2 import AcquireTaskRequest
from flwr.supercore.control import ControlHttpClient
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor
from flwr.supercore.runtime import RuntimeHttpClient

from headstart.core.errors import ClientError, SettingError
from headstart.sites.flower.door import Door, read_door, write_door
from headstart.sites.flower.fleet import connected
from headstart.sites.flower.inert import write_inert_app
from headstart.sites.flower.keys import make_keys, read_site_secret
from headstart.sites.flower.operator import Operator
from headstart.sites.flower.processes import together
from headstart.sites.flower.programs import Link, free_ports

VERSION = RuntimeVersionHttpInterceptor(component_name="headstart")
CALLS = {
    "list": lambda client: client.ListRuns(ListRunsRequest()),
    "run": lambda client: client.StartRun(StartRunRequest()),
    "register": lambda client: client.RegisterNode(RegisterNodeRequest(public_key=b"x")),
}


@pytest.fixture(scope="module")
def link(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Link]:
    """A link that is up, with two sites of which none has come."""
    folder = tmp_path_factory.mktemp("link")
    outer, inner = free_ports(2)
    link = Link(f"127.0.0.1:{outer}", folder / "keys", folder / "flower")
    make_keys(link.keys, ["127.0.0.1"], ["north", "south"])
    write_door(link.home, Door.at(inner))
    with together() as start, (folder / "link.log").open("wb") as log:
        start(link.program(), link.environment, log)
        link.wait()
        Operator.of(link).register_all()
        yield link


def tls(link: Link, site: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(link.keys / "ca.crt"))
    if site:
        context.load_cert_chain(link.keys / "sites" / f"{site}.crt", link.keys / "sites" / site)
    return context


def control(link: Link, address: str, site: str | None = None) -> ControlHttpClient:
    return ControlHttpClient(f"https://{address}", verify=tls(link, site), interceptors=[VERSION])


@pytest.mark.parametrize("call", CALLS)
def test_without_a_certificate_the_handshake_is_the_end(call: str, link: Link) -> None:
    with control(link, link.address) as client, pytest.raises(httpx.TransportError):
        CALLS[call](client)


def test_nothing_is_read_before_the_handshake(link: Link) -> None:
    """A giant body of whoever has the public CA alone never reaches a parser."""
    with socket.create_connection(link.place) as raw:
        secure = tls(link, None).wrap_socket(raw, server_hostname="127.0.0.1")
        with secure, suppress(OSError):  # an alert, or a connection that is gone
            secure.sendall(b"POST /v1/fleet/push-object HTTP/1.1\r\ncontent-length: 99999999\r\n\r\n" + bytes(10**6))
            assert secure.recv(100) == b""


@pytest.mark.parametrize("call", CALLS)
def test_a_site_controls_nothing(call: str, link: Link) -> None:
    with control(link, link.address, "north") as client, pytest.raises(httpx.HTTPStatusError) as error:
        CALLS[call](client)
    assert error.value.response.status_code == 404


@pytest.mark.parametrize("call", CALLS)
def test_on_loopback_a_token_is_wanted(call: str, link: Link) -> None:
    with control(link, read_door(link.home).address) as client, pytest.raises(httpx.HTTPStatusError) as error:
        CALLS[call](client)
    assert error.value.response.status_code in (401, 403)


@pytest.mark.parametrize("where", ["network", "loopback"])
def test_nobody_takes_the_task_of_a_run(where: str, link: Link) -> None:
    address, site = (link.address, "north") if where == "network" else (read_door(link.home).address, None)
    client = RuntimeHttpClient(f"https://{address}", verify=tls(link, site), interceptors=[VERSION])
    with client, pytest.raises(httpx.HTTPStatusError) as error:
        client.AcquireTask(AcquireTaskRequest(supported_task_types=["flwr-serverapp"]))
    assert error.value.response.status_code in (401, 403, 404)


REFUSED = [
    *("/", "/docs", "/openapi.json", "/health", "/v1/control/start-run", "/v1/runtime/acquire-task"),
    *("/v1/fleet/register-node", "/v1/fleet/unregister-node", "/v1/fleet/get-run", "/v1/fleet/get-fab"),
    *("/v1/fleet/pull-messages/", "//v1/fleet/pull-messages", "/v1/fleet/../control/list-runs"),
    *("/v1/fleet/pull-messages/../../control/list-runs", "/v1/fleet%2fpull-messages", "/V1/fleet/pull-messages"),
]


@pytest.mark.parametrize("path", REFUSED)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_network_has_no_other_way(path: str, method: str, link: Link) -> None:
    with httpx.Client(verify=tls(link, "north")) as client:
        request = httpx.Request(method, f"https://{link.address}", content=b"x")
        request.url = httpx.URL(f"https://{link.address}").copy_with(raw_path=path.encode())
        found = client.send(request)
    assert (found.status_code, found.content) == (404, b"")


@pytest.mark.parametrize("headers", [{"content-length": str(2**30)}, {"transfer-encoding": "chunked"}, {}])
def test_a_body_of_too_many_or_unknown_bytes_is_not_read(headers: dict[str, str], link: Link) -> None:
    lines = ["POST /v1/fleet/pull-messages HTTP/1.1", "host: link", *(f"{k}: {v}" for k, v in headers.items())]
    with (
        socket.create_connection(link.place) as raw,
        tls(link, "north").wrap_socket(raw, server_hostname="127.0.0.1") as secure,
    ):
        secure.sendall("\r\n".join([*lines, "", ""]).encode())
        assert secure.recv(100).startswith(b"HTTP/1.1 404")


def test_flowers_own_command_starts_nothing(link: Link, tmp_path: Path) -> None:
    app = write_inert_app(tmp_path / "app")
    flwr = Path(sys.executable).with_name("flwr")
    for number, address in enumerate((link.address, read_door(link.home).address)):
        home = tmp_path / str(number)
        home.mkdir()
        certificate = (link.keys / "ca.crt").resolve()
        text = (
            f'[superlink]\ndefault = "it"\n[superlink.it]\naddress = "{address}"\nroot-certificates = "{certificate}"\n'
        )
        (home / "config.toml").write_text(text)
        own = {"FLWR_HOME": str(home), "FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
        done = subprocess.run([flwr, "run", str(app), "it"], env={**os.environ, **own}, capture_output=True, text=True)
        assert done.returncode != 0, done.stdout
    assert not Operator.of(link).runs().run_dict


def test_a_node_with_anothers_certificate_is_not_let_in(link: Link, tmp_path: Path) -> None:
    """A key that the operator never registered has no certificate that the link knows."""
    make_keys(tmp_path / "others", ["127.0.0.1"], ["north"])
    (tmp_path / "others" / "ca.crt").write_bytes((link.keys / "ca.crt").read_bytes())
    other = Link(link.address, tmp_path / "others", tmp_path / "home")
    key = read_site_secret(other.keys / "sites" / "north")
    with (
        pytest.raises(ClientError, match="does not let this site in"),
        connected(other, "north", key, lambda _: None),
    ):
        pass


def test_the_operators_files_are_for_the_operator_alone(link: Link) -> None:
    assert stat.S_IMODE((link.home / "door.json").stat().st_mode) == 0o600
    (link.home / "door.json").chmod(0o640)
    with pytest.raises(SettingError, match="must be for its owner alone, received mode 640"):
        read_door(link.home)
    (link.home / "door.json").chmod(0o600)


def test_another_server_gets_nothing(link: Link, tmp_path: Path) -> None:
    """A site calls the server of its ca.crt alone."""
    make_keys(tmp_path / "others", ["127.0.0.1"], ["north"])
    key = read_site_secret(tmp_path / "others" / "sites" / "north")
    other = Link(link.address, tmp_path / "others", tmp_path / "home")
    with (
        pytest.raises(ClientError, match="the server is not the one of"),
        connected(other, "north", key, lambda _: None),
    ):
        pass
