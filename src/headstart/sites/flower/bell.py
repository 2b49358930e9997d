"""Who asks before there is something is held, not sent away: the link answers when it comes, so that nobody polls.

Flower's own calls, and nothing new on the wire: a pull whose answer would be empty is kept open for some seconds and
looked at anew when the bell of what it waits for rings. Who does not know of this merely waits a little longer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from flwr.proto.fleet_pb2 import PullMessagesRequest, PushMessagesRequest
from flwr.proto.message_pb2 import PullObjectRequest, PullObjectResponse, PushObjectRequest
from flwr.proto.runtime_pb2 import PushAppMessagesRequest
from google.protobuf.message import DecodeError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HOLD_SECONDS = 10.0
"""The longest that a call is held: well below every time-out, and a bell that nobody rang costs no more."""

_MOST_HELD = 8
"""Calls that are held for one name; of more, each is answered at once."""

_OPERATOR = "operator"

_NOT_YET = PullObjectResponse(object_found=True, object_available=False).SerializeToString()
"""What is said of a part that is still on its way."""


@dataclass(frozen=True, eq=False)
class Bell:
    """Wakes those who wait for a name. All on one event loop."""

    _waiting: dict[str, set[asyncio.Event]] = field(default_factory=dict)

    @contextmanager
    def listening(self, name: str) -> Iterator[asyncio.Event | None]:
        """Return what is set when the name's bell rings; None if too many wait for it already."""
        mine, all_of_them = asyncio.Event(), self._waiting.setdefault(name, set())
        is_welcome = len(all_of_them) < _MOST_HELD
        if is_welcome:
            all_of_them.add(mine)
        try:
            yield mine if is_welcome else None
        finally:
            all_of_them.discard(mine)
            if not all_of_them:
                self._waiting.pop(name, None)

    def ring(self, names: Iterable[str]) -> None:
        """Wake all who wait for one of the names."""
        for name in names:
            for event in self._waiting.get(name, ()):
                event.set()


def _node(number: int) -> str:
    return f"site {number}"


def _pulls_message(body: bytes) -> str:
    return _node(PullMessagesRequest.FromString(body).node.node_id)


def _pulls_object(body: bytes) -> str:
    return f"part {PullObjectRequest.FromString(body).object_id}"


def _pushes_object(body: bytes) -> list[str]:
    return [f"part {PushObjectRequest.FromString(body).object_id}"]


def _pushes_requests(body: bytes) -> list[str]:
    sent = PushAppMessagesRequest.FromString(body).messages_list
    return [_node(one.metadata.dst_node_id) for one in sent]


def _pushes_answer(body: bytes) -> list[str]:
    PushMessagesRequest.FromString(body)
    return [_OPERATOR]


_PULLS: Mapping[str, tuple[Callable[[bytes], str], bytes]] = {
    "/v1/fleet/pull-messages": (_pulls_message, b""),
    "/v1/fleet/pull-object": (_pulls_object, _NOT_YET),
    "/v1/runtime/pull-messages": (lambda _: _OPERATOR, b""),
    "/v1/runtime/pull-object": (_pulls_object, _NOT_YET),
}
"""Calls that may be held: the name that they wait for, and the answer that says that there is nothing yet."""

_PUSHES: Mapping[str, Callable[[bytes], list[str]]] = {
    "/v1/fleet/push-messages": _pushes_answer,
    "/v1/fleet/push-object": _pushes_object,
    "/v1/runtime/push-messages": _pushes_requests,
    "/v1/runtime/push-object": _pushes_object,
}
"""Calls that ring: the names whose bells."""


def held(app: ASGIApp, bell: Bell, seconds: float = _HOLD_SECONDS) -> ASGIApp:
    """Return an app that answers a pull when there is something to pull, or after so many seconds.

    Args:
        app: Flower's, which sees every call as it came, and decides who may make it.
        bell: of this app alone.
        seconds: the longest that a call is held.
    """

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or path not in {*_PULLS, *_PUSHES}:
            return await app(scope, receive, send)
        body = await _body(receive)
        if body is None:
            return None
        call = _Call(app, scope, body, receive)
        said = await (_pull(call, bell, seconds) if path in _PULLS else _push(call, bell))
        for part in said:
            await send(part)
        return None

    return served


@dataclass(frozen=True, eq=False)
class _Call:
    """A request that can be put to the app more than once."""

    app: ASGIApp
    scope: Scope
    body: bytes
    receive: Receive

    async def answer(self) -> list[Message]:
        """Put it to the app; return all that it says."""
        said: list[Message] = []
        parts = iter([{"type": "http.request", "body": self.body}])

        async def receive() -> Message:
            return next(parts, None) or await self.receive()

        async def send(part: Message) -> None:
            said.append(part)

        await self.app({**self.scope, "state": dict(self.scope.get("state", {}))}, receive, send)
        return said


async def _push(call: _Call, bell: Bell) -> list[Message]:
    said = await call.answer()
    if _content(said) is not None:
        bell.ring(_PUSHES[call.scope["path"]](call.body))
    return said


async def _pull(call: _Call, bell: Bell, seconds: float) -> list[Message]:
    """Look, and look again when the bell rings; nothing is said to who has gone, and nothing taken for them."""
    name_of, nothing = _PULLS[call.scope["path"]]
    try:
        name = name_of(call.body)
    except DecodeError:
        return await call.answer()
    end = asyncio.get_running_loop().time() + seconds
    with bell.listening(name) as rung:
        # It is listened to before anything is looked at: what comes in between is not missed.
        while _content(said := await call.answer()) == nothing and rung is not None:
            why = await _wait(rung, call.receive, end)
            if why != "rung":
                return said if why == "over" else []
            rung.clear()
    return said


async def _wait(rung: asyncio.Event, receive: Receive, end: float) -> Literal["rung", "over", "gone"]:
    """Wait for a bell, until a time, or until the caller hangs up."""
    bell, hung_up = asyncio.create_task(rung.wait()), asyncio.ensure_future(receive())
    left = max(0.0, end - asyncio.get_running_loop().time())
    try:
        done, _ = await asyncio.wait({bell, hung_up}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
    finally:
        bell.cancel()
        hung_up.cancel()
    return "gone" if hung_up in done else "rung" if bell in done else "over"


def _content(said: Sequence[Message]) -> bytes | None:
    """Return the content of an answer; None if it is an error."""
    if not said or said[0].get("status") != 200:
        return None
    return b"".join(part.get("body", b"") for part in said[1:])


async def _body(receive: Receive) -> bytes | None:
    """Read a request's body; None if the caller hung up first."""
    parts: list[bytes] = []
    while True:
        part = await receive()
        if part["type"] != "http.request":
            return None
        parts.append(part.get("body", b""))
        if not part.get("more_body", False):
            return b"".join(parts)
