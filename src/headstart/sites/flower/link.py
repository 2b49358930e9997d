"""The link as a program: Flower's SuperLink, served twice.

The network reaches what sites need and nothing else, behind certificates of the sites: whoever has none ends in the
handshake, before anything is read. Starting runs and letting sites in answer on loopback, to who knows the token.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path

import uvicorn
from anyio.to_thread import current_default_thread_limiter
from flwr.common.constant import ACCESS_TOKEN_KEY, ISOLATION_MODE_PROCESS, TRANSPORT_TYPE_GRPC_RERE
from flwr.supercore.auth.typing import AccountInfo
from flwr.supercore.constant import FLWR_IN_MEMORY_DB_NAME
from flwr.supercore.routers.runtime.tracing import RuntimeTracingMiddleware
from flwr.superlink.auth_plugin import NoOpControlAuthnPlugin
from flwr.superlink.cli.flower_superlink import SuperLinkLifespan
from flwr.superlink.config_loader import SuperLinkLifespanConfig
from flwr.superlink.main import create_app
from flwr.superlink.routers.control.middlewares import ControlEventLogMiddleware
from flwr.superlink.routers.fleet.middlewares import FleetEventLogMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from headstart.sites.flower.bell import Bell, held
from headstart.sites.flower.door import Door, read_door
from headstart.sites.flower.programs import Link

_log = logging.getLogger("headstart.link")

_SITES_NEED = frozenset(
    f"/v1/fleet/{name}"
    for name in (
        "activate-node",
        "deactivate-node",
        "send-node-heartbeat",
        "pull-messages",
        "push-messages",
        "push-object",
        "pull-object",
        "confirm-message-received",
    )
)
"""Not register-node: who may come in is the operator's to say. Not get-run and get-fab: no code travels."""

_MOST_BYTES = 16 * 2**20
"""Of one request; Flower cuts arrays into pieces of 5 MiB."""


_IDLE: tuple[object, ...] = (ControlEventLogMiddleware, FleetEventLogMiddleware, RuntimeTracingMiddleware)
"""Logs of events, and traces, which are off."""

_SECONDS_TO_END = 3
"""Calls that are held then are let go."""


class _Token(NoOpControlAuthnPlugin):
    """Lets in who knows the token."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    def validate_tokens_in_metadata(
        self, metadata: Sequence[tuple[str, str | bytes]]
    ) -> tuple[bool, AccountInfo | None]:
        """Compare tokens, in a time that tells nothing."""
        given = dict(metadata).get(ACCESS_TOKEN_KEY, "")
        is_known = hmac.compare_digest(given if isinstance(given, bytes) else given.encode(), self._token)
        return super().validate_tokens_in_metadata(metadata) if is_known else (False, None)


def _sites_only(app: ASGIApp) -> ASGIApp:
    """Return an app that serves only what sites need, and answers all else with 404 and nothing."""

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _is_needed(scope):
            await app(scope, receive, send)
        elif scope["type"] == "http":
            _log.warning("refused: %s %r from %s", scope["method"], scope["path"][:80], (scope["client"] or "?")[0])
            await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body"})

    return served


def _is_needed(scope: Scope) -> bool:
    """Say whether a request is one that sites make; one of unknown length is not.

    Chunks count as unknown even beside a length: servers then believe the chunks, which never need to end.
    """
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    is_whole = len(lengths) == 1 and not any(name == b"transfer-encoding" for name, _ in scope["headers"])
    is_short = is_whole and lengths[0].isdigit() and len(lengths[0]) < 12 and int(lengths[0]) <= _MOST_BYTES
    is_plain = scope["raw_path"] == scope["path"].encode()
    return is_short and is_plain and scope["method"] == "POST" and scope["path"] in _SITES_NEED


def _config(link: Link, door: Door, database: str) -> SuperLinkLifespanConfig:
    """Return what Flower's app is built of: no program of its own starts, and no flag is left to chance."""
    files = [link.keys / name for name in ("ca.crt", "server.pem", "server.key")]
    ca, certificate, key = map(str, files)
    return SuperLinkLifespanConfig(
        control_address=door.address,
        health_server_address=None,
        host="127.0.0.1",
        port=door.port,
        insecure=False,
        certificates=(files[0].read_bytes(), files[1].read_bytes(), files[2].read_bytes()),
        superexec_auth_secret=door.secret.encode(),
        authn_plugin=_Token(door.token),
        event_log_plugin=None,
        fleet_event_log_plugin=None,
        enable_event_log=False,
        artifact_provider=None,
        enable_supernode_auth=True,
        fleet_api_type=TRANSPORT_TYPE_GRPC_RERE,
        fleet_api_address=None,
        simulation=False,
        ssl_ca_certfile=ca,
        ssl_certfile=certificate,
        ssl_keyfile=key,
        database=database,
        isolation=ISOLATION_MODE_PROCESS,
        runtime_dependency_install=False,
    )


def _uvicorn(app: ASGIApp, link: Link, host: str, port: int, known: Path | None = None) -> uvicorn.Config:
    """Return how to serve an app; with a file of certificates, only to who has one of them."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        timeout_graceful_shutdown=_SECONDS_TO_END,
        lifespan="off" if known else "on",
        ssl_certfile=link.keys / "server.pem",
        ssl_keyfile=str(link.keys / "server.key"),
        ssl_cert_reqs=ssl.CERT_REQUIRED if known else ssl.CERT_NONE,
        ssl_ca_certs=str(known) if known else None,
    )


def _app(link: Link, door: Door, database: str) -> ASGIApp:
    """Return Flower's app without what watches and does nothing here, a part of every call's cost."""
    app = create_app(_config(link, door, database), SuperLinkLifespan)
    app.user_middleware = [one for one in app.user_middleware if one.cls not in _IDLE]
    return held(app, Bell())


async def _serve(link: Link, door: Door, database: str) -> None:
    """Serve both doors until one closes."""
    # One at a time: a database of one file has one writer, and who finds it locked sleeps up to a tenth of a second.
    current_default_thread_limiter().total_tokens = 1
    app = _app(link, door, database)
    host, port = link.place
    inner = uvicorn.Server(_uvicorn(app, link, "127.0.0.1", door.port))
    outer = uvicorn.Server(_uvicorn(_sites_only(app), link, host, port, known=link.write_known()))
    both = [asyncio.create_task(one.serve()) for one in (inner, outer)]
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    inner.should_exit = outer.should_exit = True
    await asyncio.gather(*both)


def _main(address: str, keys: str, home: str, database: str = FLWR_IN_MEMORY_DB_NAME) -> None:
    logging.basicConfig(format="%(asctime)s %(name)s %(message)s", level=logging.WARNING)
    # A line for every call that a site makes would hide the few that matter.
    logging.getLogger("flwr").setLevel(logging.WARNING)
    link = Link(address, Path(keys), Path(home))
    asyncio.run(_serve(link, read_door(link.home), database))


if __name__ == "__main__":
    _main(*sys.argv[1:])
