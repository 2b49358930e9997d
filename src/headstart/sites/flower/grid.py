"""The operator's transport: signed requests over Flower's grid, and answers, each looked at before it is used."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from flwr.app import Message
from flwr.serverapp import Grid

from headstart.core.errors import ClientError
from headstart.sites.flower.parcels import Parcel, from_content, pack, to_content
from headstart.sites.settings import GRACE, NodeSettings, RunSettings
from headstart.sites.signed import Orders, Sealed
from headstart.sites.transport import Answer, Failed, Request

_POLL_SECONDS = 0.1


def _to_message(parcel: Parcel, site: int, kind: str, seconds: float) -> Message:
    """Return a Flower message that lives so long."""
    return Message(to_content(parcel), dst_node_id=site, message_type=f"query.{kind}", ttl=seconds)


@dataclass(frozen=True)
class GridAsk:
    """Asks sites through Flower's grid; a round closes when enough have answered, or the time is up.

    Attributes:
        grid: Flower's.
        orders: signs requests, and knows whose an answer is.
        names: of sites, by address.
        timeout: seconds that sites have to answer.
        enough: share of sites whose answers close a round, once ``grace`` seconds have passed since.
        grace: seconds for the rest.
        most_bytes: of one reply.
        clock: seconds, from any moment on.
        to_message: makes Flower's message, which it allows within a running task only.
    """

    grid: Grid
    orders: Orders
    names: Mapping[int, str]
    timeout: float = RunSettings.timeout
    enough: float = RunSettings.enough
    grace: float = GRACE
    most_bytes: int = NodeSettings.most_bytes
    clock: Callable[[], float] = time.monotonic
    to_message: Callable[[Parcel, int, str, float], Message] = _to_message

    def __call__(self, requests: Sequence[Request]) -> Iterator[Answer[str] | Failed]:
        """Send, wait, and yield what came from each site."""
        # What goes to all sites is packed once.
        packed: dict[int, bytes] = {}
        asked = [self._asked(request, packed) for request in requests]
        sent = self.grid.push_messages([message for message, _ in asked])
        return iter(self._wait({number: one for number, (_, one) in zip(sent, asked, strict=True)}))

    def _asked(self, request: Request, packed: dict[int, bytes]) -> tuple[Message, _Asked]:
        tensors = packed.setdefault(id(request.tree), b"") or pack(request.tree)
        packed[id(request.tree)] = tensors
        order = self.orders.seal(self.names[request.site], request.kind, request.text, tensors, self.timeout)
        message = self.to_message(Parcel(request.text, tensors, order), request.site, request.kind, self.timeout)
        return message, _Asked(request.site, order)

    def _wait(self, asked: Mapping[str, _Asked]) -> list[Answer[str] | Failed]:
        waiting, end = dict(asked), self.clock() + self.timeout
        found: dict[int, Answer[str] | Failed] = {}
        while waiting and self.clock() < end:
            for message in self.grid.pull_messages(list(waiting)):
                one = waiting.pop(message.metadata.reply_to_message_id, None)
                if one is not None:
                    found[one.site] = self._read(message, one)
            if len(found) >= self.enough * len(asked) and waiting:
                end = min(end, self.clock() + self.grace)
            if waiting:
                time.sleep(_POLL_SECONDS)
        late = {one.site: self._failed(one, f"it did not answer within {self.timeout:g} s") for one in waiting.values()}
        return [{**late, **found}[one.site] for one in asked.values()]

    def _read(self, message: Message, asked: _Asked) -> Answer[str] | Failed:
        if message.has_error():
            return self._failed(asked, f"it failed: {message.error.reason or 'code ' + str(message.error.code)}")
        try:
            parcel = from_content(message.content, self.most_bytes)
            client = self.orders.check(asked.order, parcel.sealed, parcel.text, parcel.packed)
            return Answer(asked.site, parcel.text, parcel.tree(), len(parcel.packed), client)
        except ClientError as error:
            return self._failed(asked, str(error))

    def _failed(self, asked: _Asked, reason: str) -> Failed:
        return Failed(asked.site, reason, self.names[asked.site])


@dataclass(frozen=True)
class _Asked:
    """Whom a request went to, and what was signed of it."""

    site: int
    order: Sealed = field(repr=False)
