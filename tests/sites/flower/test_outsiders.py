"""A link that is up, attacked over the network: by who has no certificate, and by a site that is registered."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from headstart.core.errors import ClientError, SettingError
from headstart.sites.flower.door import Door, read_door, write_door
from headstart.sites.flower.keys import make_keys, read_site_secret
from headstart.sites.flower.operator import Operator
from headstart.sites.flower.processes import together
from headstart.sites.flower.programs import Link, free_ports

pytest.importorskip("flwr")

NEEDED = (
    "activate-node",
    "deactivate-node",
    "send-node-heartbeat",
    "pull-messages",
    "push-messages",
    "push-object",
    "pull-object",
    "confirm-message-received",
)
CLOSED = (
    "/",
    "/docs",
    "/redoc",
    "/openapi.json",
    "/v1/fleet/register-node",
    "/v1/fleet/unregister-node",
    "/v1/fleet/get-run",
    "/v1/fleet/get-fab",
    "/v1/control/start-run",
    "/v1/control/stop-run",
    "/v1/control/list-runs",
    "/v1/control/list-nodes",
    "/v1/control/register-node",
    "/v1/runtime/acquire-task",
    "/v1/runtime/pull-task-input",
    "/v1/runtime/push-messages",
    "/v1/fleet/pull-messages/",
    "//v1/fleet/pull-messages",
    "/v1/fleet/../control/list-nodes",
    "/v1/fleet/%2e%2e/control/list-nodes",
    "/v1/fleet/pull-messages%00",
    "/v1/fleet/pull-messages/../../control/start-run",
    "/V1/FLEET/PULL-MESSAGES",
)


@pytest.fixture(scope="module")
def link(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Link]:
    folder = tmp_path_factory.mktemp("link")
    make_keys(folder / "keys", ["127.0.0.1"], ["north", "south"])
    port, inner = free_ports(2)
    link = Link(f"127.0.0.1:{port}", folder / "keys", folder / "home")
    write_door(link.home, Door.at(inner))
    with together() as start, (folder / "link.log").open("wb") as log:
        start(link.program(), link.environment, log)
        link.wait()
        Operator.of(link).register_all()
        yield link


def _log(link: Link) -> str:
    return (link.home.parent / "link.log").read_text()


def _context(link: Link, site: Path | None) -> ssl.SSLContext:
    """Return what an outsider with ca.crt has; or somebody with a certificate, and the key beside it."""
    context = ssl.create_default_context(cafile=str(link.keys / "ca.crt"))
    if site is not None:
        context.load_cert_chain(site.with_suffix(".crt"), site)
    return context


def _site(link: Link, name: str = "north") -> Path:
    return link.keys / "sites" / name


def _post(link: Link, path: str, site: Path | None, body: bytes = b"", **headers: str) -> int:
    """Send a request exactly as it is written, and return its status."""
    host, port = link.place
    with closing(http.client.HTTPSConnection(host, port, timeout=20, context=_context(link, site))) as connection:
        connection.putrequest("POST", path, skip_accept_encoding=True)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        connection.send(body)
        return connection.getresponse().status


def _is_refused_in_the_handshake(link: Link, site: Path | None) -> bool:
    """Say whether nothing comes of a connection, and whether that is the handshake's doing."""
    with pytest.raises((ssl.SSLError, ConnectionError)) as found:
        _post(link, "/v1/fleet/pull-messages", site)
    return "ALERT" in (getattr(found.value, "reason", "") or "").upper() or isinstance(found.value, ConnectionError)


def test_an_outsider_ends_in_the_handshake(link: Link) -> None:
    assert _is_refused_in_the_handshake(link, None)


@pytest.mark.parametrize("name", ["stranger", "north"])
def test_a_certificate_that_an_outsider_made_ends_in_the_handshake(name: str, link: Link, tmp_path: Path) -> None:
    make_keys(tmp_path / "own", ["127.0.0.1"], [name])
    assert _is_refused_in_the_handshake(link, tmp_path / "own" / "sites" / name)


def test_the_servers_own_certificate_is_no_sites(link: Link, tmp_path: Path) -> None:
    (tmp_path / "s.crt").write_bytes((link.keys / "server.pem").read_bytes())
    (tmp_path / "s").write_bytes((link.keys / "server.key").read_bytes())
    assert _is_refused_in_the_handshake(link, tmp_path / "s")


def test_a_giant_body_of_an_outsider_is_never_parsed(link: Link) -> None:
    """A megabyte behind an unfinished handshake: the connection ends, no request is logged, the link lives."""
    before = _log(link).count("refused:")
    with pytest.raises((ssl.SSLError, OSError)):
        _post(link, "/v1/fleet/push-object", None, b"x" * 2**20)
    assert _log(link).count("refused:") == before
    assert _post(link, "/docs", _site(link)) == 404


def _flwr(words: list[str], link: Link, home: Path) -> subprocess.CompletedProcess[str]:
    """Run Flower's own command as an outsider does: with ca.crt, and nothing else."""
    home.mkdir(exist_ok=True)
    (home / "config.toml").write_text(
        f'[superlink]\ndefault = "out"\n[superlink.out]\naddress = "{link.address}"\n'
        f'root-certificates = "{link.keys / "ca.crt"}"\n'
    )
    own = {**os.environ, "FLWR_HOME": str(home), "FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
    program = Path(sys.executable).with_name("flwr")
    return subprocess.run([str(program), *words], env=own, capture_output=True, text=True, timeout=120)


def _nothing_began(link: Link) -> bool:
    operator = Operator.of(link)
    return not operator.runs().run_dict and set(operator.names().values()) <= {"north", "south"}


@pytest.mark.slow
@pytest.mark.parametrize("inner", [False, True], ids=["network port", "loopback port without the token"])
@pytest.mark.parametrize("what", ["run", "register", "list"])
def test_flowers_own_commands_get_nothing(what: str, inner: bool, link: Link, tmp_path: Path) -> None:
    from headstart.sites.flower.inert import write_inert_app

    make_keys(tmp_path / "own", ["127.0.0.1"], ["stranger"])
    words = {
        "run": ["run", str(write_inert_app(tmp_path / "app")), "out"],
        "register": ["supernode", "register", str(tmp_path / "own" / "sites" / "stranger.pub"), "out"],
        "list": ["supernode", "list", "out"],
    }[what]
    at = Link(read_door(link.home).address, link.keys, link.home) if inner else link
    done = _flwr(words, at, tmp_path / "home")
    assert done.returncode != 0, done.stdout
    assert "north" not in done.stdout
    assert _nothing_began(link)


@pytest.mark.parametrize("path", CLOSED)
def test_a_registered_site_reaches_nothing_that_sites_do_not_need(path: str, link: Link) -> None:
    assert _post(link, path, _site(link)) == 404


def test_what_is_refused_is_one_line_in_the_log(link: Link) -> None:
    assert _post(link, "/v1/control/start-run-of-mine", _site(link)) == 404
    (line,) = [line for line in _log(link).splitlines() if "start-run-of-mine" in line]
    assert "refused: POST '/v1/control/start-run-of-mine' from 127.0.0.1" in line


@pytest.mark.parametrize("name", NEEDED)
def test_what_sites_need_wants_their_signature_too(name: str, link: Link) -> None:
    """The route is there, and a certificate alone does not open it."""
    assert _post(link, f"/v1/fleet/{name}", _site(link), Content_Type="application/protobuf") in (400, 401, 403)


def test_other_methods_are_not_served(link: Link) -> None:
    with httpx.Client(verify=_context(link, _site(link))) as client:
        assert client.get(f"https://{link.address}/v1/fleet/pull-messages").status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Length": str(17 * 2**20)},
        {"Content_Length": "9" * 30},
        {"Content_Length": "5", "Transfer_Encoding": "chunked"},
        {"Transfer_Encoding": "chunked"},
    ],
    ids=["too long", "far too long", "chunked beside a length", "chunked"],
)
def test_a_request_too_long_or_of_unknown_length_is_refused(headers: dict[str, str], link: Link) -> None:
    host, port = link.place
    said = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    with (
        socket.create_connection((host, port), timeout=20) as raw,
        _context(link, _site(link)).wrap_socket(raw, server_hostname=host) as secure,
    ):
        secure.sendall(f"POST /v1/fleet/push-object HTTP/1.1\r\nHost: {host}\r\n{said}\r\n".encode())
        assert secure.recv(64).split()[1] in (b"404", b"400")


def _fleet(link: Link, certificate: str, key: str) -> Any:
    """Return Flower's client of a site's routes, with one site's certificate and the key of one."""
    from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor
    from flwr.supernode.fleet_http_client import FleetHttpClient
    from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

    secret = read_site_secret(_site(link, key))
    return FleetHttpClient(
        f"https://{link.address}",
        verify=_context(link, _site(link, certificate)),
        interceptors=[
            RuntimeVersionHttpInterceptor(component_name="SuperNode"),
            NodeAuthHttpInterceptor(secret, secret.public_key()),
        ],
    )


def test_a_site_takes_no_messages_of_another(link: Link) -> None:
    from flwr.proto.fleet_pb2 import PullMessagesRequest
    from flwr.proto.node_pb2 import Node

    other = next(number for number, name in Operator.of(link).names().items() if name == "south")
    with _fleet(link, "north", "north") as fleet, pytest.raises(httpx.HTTPStatusError) as found:
        fleet.PullMessages(PullMessagesRequest(node=Node(node_id=other)))
    assert found.value.response.status_code in (401, 403)


def test_a_site_does_not_come_in_as_another(link: Link) -> None:
    from flwr.proto.fleet_pb2 import ActivateNodeRequest
    from flwr.supercore.primitives.asymmetric import public_key_to_bytes

    theirs = public_key_to_bytes(link.sites()["south"])
    with _fleet(link, "north", "north") as fleet, pytest.raises(httpx.HTTPStatusError):
        fleet.ActivateNode(ActivateNodeRequest(public_key=theirs, heartbeat_interval=30.0))


def test_without_the_secret_nobody_takes_a_runs_task(link: Link) -> None:
    """The thief: even on this machine, whoever cannot read the door's file speaks as no run."""
    from flwr.proto.runtime_pb2 import AcquireTaskRequest
    from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor
    from flwr.supercore.runtime import RuntimeHttpClient

    door, ca = read_door(link.home), (link.keys / "ca.crt").read_bytes()
    version = RuntimeVersionHttpInterceptor(component_name="SuperExec")
    with (
        RuntimeHttpClient.from_server_address(door.address, False, ca, [version]) as thief,
        pytest.raises(httpx.HTTPStatusError) as found,
    ):
        thief.AcquireTask(AcquireTaskRequest(supported_task_types=["flwr-serverapp"]))
    assert found.value.response.status_code in (401, 403)


def test_without_the_token_nobody_gives_orders(link: Link) -> None:
    door = read_door(link.home)
    other = Operator(link, Door(door.port, "another", door.secret))
    with pytest.raises(ClientError, match=r"answers with status 40[13]; take --keys and --home of the"):
        other.nodes()


def test_the_door_is_for_its_owner_alone(link: Link, tmp_path: Path) -> None:
    assert (link.home / "door.json").stat().st_mode & 0o077 == 0
    write_door(tmp_path, Door.at(1))
    (tmp_path / "door.json").chmod(0o644)
    with pytest.raises(SettingError, match="must be for its owner alone"):
        read_door(tmp_path)


def _node(link: Link, keys: Path, folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    """Run a site's program that cannot come in, and return what it said."""
    (folder / "d.csv").write_text("a,label\n1,0\n")
    words = ["--name", name, "--data", str(folder / "d.csv"), "--address", link.address, "--keys", str(keys)]
    command = [sys.executable, "-m", "headstart", "federate", "node", *words, "--state", str(folder / "state")]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=link.environment)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("whose_ca", "line"),
    [("theirs", "the server is not the one of ca.crt"), ("the link's", "the link does not let this site in")],
)
def test_a_site_of_other_keys_ends_in_one_line(whose_ca: str, line: str, link: Link, tmp_path: Path) -> None:
    keys = tmp_path / "own"
    make_keys(keys, ["127.0.0.1"], ["stranger"])
    if whose_ca == "the link's":
        (keys / "ca.crt").write_bytes((link.keys / "ca.crt").read_bytes())
    done = _node(link, keys, tmp_path, "stranger")
    assert done.returncode != 0
    (said,) = done.stderr.splitlines()
    assert line in said


def test_a_link_that_is_down_is_one_line(link: Link, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with pytest.raises(ClientError, match="no link is up with --home"):
        Operator.of(Link(link.address, link.keys, home))
    write_door(home, Door.at(free_ports(1)[0]))
    with pytest.raises(ClientError, match="does not answer"):
        Operator.of(Link(link.address, link.keys, home)).nodes()
