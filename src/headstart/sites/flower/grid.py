"""The operator's transport: signed requests over Flower's grid, and answers, each looked at before it is used."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from flwr.app import Message
from flwr.common.constant import ErrorCode

from headstart.core.errors import HeadstartError
from headstart.sites.flower.mailbox import Arrived, Mail
from headstart.sites.flower.objects import LostError
from headstart.sites.flower.parcels import Parcel, from_content, pack, to_content
from headstart.sites.flower.waiting import Hours, Post, Wait
from headstart.sites.settings import GRACE, NodeSettings, RunSettings
from headstart.sites.signed import Orders
from headstart.sites.transport import Answer, Crossed, Failed, How, Request

_PATIENCE = 60.0
"""Seconds that a site which has gone has to come back, before a request is closed without it."""

_LOST = (ErrorCode.NODE_UNAVAILABLE, ErrorCode.MESSAGE_UNAVAILABLE, ErrorCode.REPLY_MESSAGE_UNAVAILABLE)
"""What the link says in the place of an answer that does not come any more."""


def _to_message(parcel: Parcel, site: int, kind: str, seconds: float) -> Message:
    """Return a Flower message that lives so long."""
    return Message(to_content(parcel), dst_node_id=site, message_type=f"query.{kind}", ttl=seconds)


@dataclass(frozen=True)
class GridAsk:
    """Asks sites through Flower's grid; a round closes when enough have answered, or the time is up.

    A site that was away is asked again in the same words, under the same number and signature: it answers what it has
    answered before, and computes nothing twice.

    Attributes:
        mail: sends, and says what came.
        orders: signs requests, and knows whose an answer is.
        names: of sites, by address.
        timeout: seconds that sites have to answer.
        enough: share of sites whose answers close a round, once ``grace`` seconds have passed since.
        grace: seconds for the rest.
        patience: seconds that a site which has gone has to come back.
        most_bytes: of one reply.
        clock: seconds, from any moment on.
        to_message: makes Flower's message, which it allows within a running task only.
    """

    mail: Mail
    orders: Orders
    names: Mapping[int, str]
    timeout: float = RunSettings.timeout
    enough: float = RunSettings.enough
    grace: float = GRACE
    patience: float = _PATIENCE
    most_bytes: int = NodeSettings.most_bytes
    clock: Callable[[], float] = time.monotonic
    to_message: Callable[[Parcel, int, str, float], Message] = _to_message
    _absent: set[int] = field(default_factory=set)
    _sent: dict[int, list[int]] = field(default_factory=dict)

    def __call__(self, requests: Sequence[Request]) -> Iterator[Answer[str] | Failed]:
        """Send, wait, and yield what came from each site."""
        if not requests:
            return iter(())
        # What goes to all sites is packed once.
        packed: dict[int, bytes] = {}
        self._sent.clear()
        posts = [self._post(request, packed) for request in requests]
        messages = [self._message(post, self.timeout, packed) for post in posts]
        packed.clear()
        found = self._wait.answers(posts, messages)
        late = f"it did not answer within {self.timeout:g} s"
        return iter([self._weighed(found.get(post.site) or self._failed(post, late, "late")) for post in posts])

    def _weighed(self, one: Answer[str] | Failed) -> Answer[str] | Failed:
        """Say what was sent to a site, the same again included, beside what came of it."""
        sent = self._sent[one.site]
        return replace(one, crossed=Crossed(sum(sent), one.crossed.up, len(sent)))

    @property
    def _wait(self) -> Wait:
        hours = Hours(
            timeout=self.timeout, enough=self.enough, grace=self.grace, patience=self.patience, clock=self.clock
        )
        gone = partial(self._failed, reason="it has gone, and did not come back", how="gone")
        return Wait(self.mail, self._message, self._read, gone, hours, self._absent)

    def _post(self, request: Request, packed: dict[int, bytes]) -> Post:
        tensors = _packed(request, packed)
        order = self.orders.seal(self.names[request.site], request.kind, request.text, tensors, self.timeout)
        return Post(request, order)

    def _message(self, post: Post, seconds: float, packed: dict[int, bytes] | None = None) -> Message:
        request = post.request
        parcel = Parcel(request.text, _packed(request, packed or {}), post.order)
        self._sent.setdefault(post.site, []).append(_weight(parcel))
        return self.to_message(parcel, request.site, request.kind, seconds)

    def _read(self, post: Post, arrived: Arrived, seconds: float) -> Answer[str] | Failed:
        up = Crossed()
        try:
            message = arrived.open(seconds, self.most_bytes)
            if message.has_error():
                return self._error(post, message)
            parcel = from_content(message.content, self.most_bytes)
            up = Crossed(up=_weight(parcel))
            client = self.orders.check(post.order, parcel.sealed, parcel.text, parcel.packed)
            return Answer(post.site, parcel.text, parcel.tree(), len(parcel.packed), client, up)
        except LostError:
            raise
        except HeadstartError as error:
            return replace(self._failed(post, str(error)), crossed=up)
        except Exception as error:  # whatever a hostile sender can make a parser raise
            reason = f"its answer could not be read ({type(error).__name__})"
            return replace(self._failed(post, reason), crossed=up)

    def _error(self, post: Post, message: Message) -> Failed:
        if message.error.code in _LOST:
            raise LostError(message.error.reason)
        return self._failed(post, f"it failed: {message.error.reason or 'code ' + str(message.error.code)}")

    def _failed(self, post: Post, reason: str, how: How = "left out") -> Failed:
        return Failed(post.site, reason, self.names[post.site], how)


def _weight(parcel: Parcel) -> int:
    """Return how many bytes a message holds: text, tensors, and what is signed of both."""
    seal = parcel.sealed
    return len(parcel.text.encode()) + len(parcel.packed) + len(seal.text.encode()) + len(seal.signature)


def _packed(request: Request, packed: dict[int, bytes]) -> bytes:
    """Return a request's tensors as they travel; the same of all that hold the same tree."""
    if id(request.tree) not in packed:
        packed[id(request.tree)] = pack(request.tree)
    return packed[id(request.tree)]
