"""A site's end of the link: it calls the server, takes what is for it, and brings the answer. No code is fetched."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

import httpx
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from flwr.app import Message
from flwr.app.message import make_message
from flwr.common.constant import HEARTBEAT_DEFAULT_INTERVAL
from flwr.common.serde import message_from_proto
from flwr.proto.fleet_pb2 import (
    ActivateNodeRequest,
    DeactivateNodeRequest,
    PullMessagesRequest,
    PushMessagesRequest,
)
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.message_pb2 import ConfirmMessageReceivedRequest, ObjectTree
from flwr.proto.message_pb2 import Message as Head
from flwr.proto.node_pb2 import Node
from flwr.supercore.heartbeat import HeartbeatSender
from flwr.supercore.inflatable.inflatable_protobuf_utils import (
    make_pull_object_fn_protobuf,
    make_push_object_fn_protobuf,
)
from flwr.supercore.inflatable.inflatable_utils import ObjectPushError
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor
from flwr.supercore.primitives.asymmetric import public_key_to_bytes
from flwr.supercore.task_identity import TaskIdentity
from flwr.supernode.fleet_http_client import FleetHttpClient
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

from headstart.core.errors import ClientError
from headstart.core.progress import Tell
from headstart.sites.flower.objects import fetch_content, send_messages
from headstart.sites.flower.patience import Patience
from headstart.sites.flower.programs import Link
from headstart.sites.flower.seat import Seat

T = TypeVar("T")
_LONGEST_WAIT = 5.0
_MOST_HANG_UPS = 5
_SECONDS_TO_BE_MISSED = 180.0
_STILL_THERE = "federate node: a site of this name is connected already, or ended without leave a moment ago"
_UNKNOWN = (
    "federate node: the link does not let this site in ({}); its sites/NAME.pub and NAME.crt must lie in keys/sites on "
    "the server before 'headstart federate up' starts"
)
_SECONDS_TO_FETCH = 600.0
_TRIES = 3


class StillThereError(ClientError):
    """A site of this key is connected, or was a moment ago."""


class NotLetIn(ClientError):
    """Whoever answers is not the server of the keys, or does not know the site."""


@dataclass(frozen=True, eq=False)
class Got:
    """A message whose content is still with the link."""

    head: Message
    tree: ObjectTree

    @property
    def run(self) -> int:
        """Number of the run that it belongs to."""
        return int(self.head.metadata.run_id)


@dataclass(eq=False)
class Fleet:
    """The calls that a site makes.

    Attributes:
        client: Flower's.
        key: the site's.
        line: waits for a link that is away.
        node: by which the link knows the site; changes when a link forgets.
    """

    client: FleetHttpClient
    key: EllipticCurvePrivateKey
    line: Patience
    node: Node

    def pull(self) -> Got | None:
        """Return the next message, if there is one; a link that knows us holds the call until there is."""
        before = self.line.broken
        found = self.call(lambda: self.client.PullMessages(PullMessagesRequest(node=self.node)))
        if self.line.broken != before:
            self._come_anew()
        if not found.messages_list:
            return None
        return Got(message_from_proto(found.messages_list[0]), found.message_object_trees[0])

    def open(self, got: Got, most_bytes: int) -> Message:
        """Fetch a message's content.

        Raises:
            ClientError: it has too many parts or bytes, or is no message.
        """
        pull = make_pull_object_fn_protobuf(
            lambda one: self.call(lambda: self.client.PullObject(one)), self.node, got.run
        )
        content = fetch_content(got.tree, pull, most_bytes, _SECONDS_TO_FETCH)
        confirm = ConfirmMessageReceivedRequest(node=self.node, run_id=got.run, message_object_id=got.tree.object_id)
        self.call(lambda: self.client.ConfirmMessageReceived(confirm))
        # Flower lets messages be made within a task only, and a site has none.
        TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = got.run, self.node.node_id, 1
        return make_message(metadata=got.head.metadata, content=content)

    def push(self, reply: Message, seconds: float) -> None:
        """Bring an answer.

        Raises:
            ClientError: the link does not take it.
        """
        for _ in range(_TRIES):
            # A link that was away may have forgotten what was being sent.
            with suppress(ObjectPushError):
                return send_messages([reply], lambda heads, trees: self._register(reply, seconds, heads, trees))
        raise ClientError("the link does not take an answer")

    def _register(
        self, reply: Message, seconds: float, heads: list[Head], trees: list[ObjectTree]
    ) -> tuple[Iterable[str], Callable[[str, bytes], None]]:
        sent = PushMessagesRequest(
            node=self.node, messages_list=heads, message_object_trees=trees, clientapp_runtime_list=[seconds]
        )
        taken = self.call(lambda: self.client.PushMessages(sent))
        push = make_push_object_fn_protobuf(
            lambda one: self.call(lambda: self.client.PushObject(one)),
            self.node,
            reply.metadata.run_id,
            taken.session_id,
        )
        return taken.objects_to_push, push

    def call(self, ask: Callable[[], T]) -> T:
        """Call the link; while it is gone, wait for it, and say so once.

        Raises:
            ClientError: it is not the one of the keys.
        """
        return self.line.call(ask)

    def activate(self) -> None:
        """Say that the site is there.

        Raises:
            ClientError: the link does not know it.
        """
        mine = public_key_to_bytes(self.key.public_key())
        ask = ActivateNodeRequest(public_key=mine, heartbeat_interval=HEARTBEAT_DEFAULT_INTERVAL)
        try:
            self.node = Node(node_id=self._hung_up_on(lambda: self.client.ActivateNode(ask)).node_id)
        except httpx.HTTPStatusError as error:
            if error.response.status_code == httpx.codes.PRECONDITION_FAILED:
                raise StillThereError(_STILL_THERE) from None
            raise NotLetIn(_UNKNOWN.format(f"status {error.response.status_code}")) from None

    def _come_anew(self) -> None:
        """Leave and come in: what was handed out while the line broke is lost, and the server sees it may have been."""
        for _ in range(_TRIES):
            with suppress(httpx.HTTPStatusError):  # a link that has missed the site has let it go already
                self.call(lambda: self.client.DeactivateNode(DeactivateNodeRequest(node_id=self.node.node_id)))
            with suppress(StillThereError):  # a sign of life came in between
                self.activate()
                return

    def _hung_up_on(self, ask: Callable[[], T]) -> T:
        """Call a link that may hang up as soon as it sees the site's certificate; it says nothing then."""
        for _ in range(_MOST_HANG_UPS):
            with suppress(_HungUpError):
                return self.call(lambda: _heard(ask))
            time.sleep(0.5)
        raise NotLetIn(_UNKNOWN.format("it hangs up"))

    def beat(self) -> bool:
        """Say that the site is still there."""
        ask = SendNodeHeartbeatRequest(node=self.node, heartbeat_interval=HEARTBEAT_DEFAULT_INTERVAL)
        try:
            return self.client.SendNodeHeartbeat(ask).success
        except httpx.HTTPError:
            return False


@contextmanager
def connected(link: Link, site: str, key: EllipticCurvePrivateKey, tell: Tell, place: Seat) -> Iterator[Fleet]:
    """Connect a site, and take leave in the end.

    Args:
        link: where the server is.
        site: its name.
        key: its own.
        tell: told what happens to the line.
        place: the site's, which a program that was killed may have left.

    Raises:
        ClientError: the server is not the one of the keys, or does not know the site.
    """
    client = FleetHttpClient(
        f"https://{link.address}",
        verify=_tls(link, site),
        interceptors=[
            RuntimeVersionHttpInterceptor(component_name="SuperNode"),
            NodeAuthHttpInterceptor(key, key.public_key()),
        ],
    )
    fleet = Fleet(client, key, Patience(tell, _check_passes), Node())
    _take(fleet, place, link.address)
    _come_in(fleet, tell)
    place.take(link.address, fleet.node.node_id)
    beats = HeartbeatSender(fleet.beat)
    beats.start()
    try:
        yield fleet
    finally:
        beats.stop()
        with suppress(httpx.HTTPError):  # the link may be gone first
            client.DeactivateNode(DeactivateNodeRequest(node_id=fleet.node.node_id))
        client.close()


def _take(fleet: Fleet, place: Seat, address: str) -> None:
    """Give up the seat of a program that was killed; a link that knows nothing of it refuses, and nothing is lost."""
    if node := place.left(address):
        fleet.node = Node(node_id=node)
        with suppress(httpx.HTTPStatusError, _HungUpError):
            fleet.call(lambda: _heard(lambda: fleet.client.DeactivateNode(DeactivateNodeRequest(node_id=node))))


def _come_in(fleet: Fleet, tell: Tell) -> None:
    """Activate a site; one that was killed is missed by the link only when its next sign of life is overdue."""
    end, told = time.monotonic() + _SECONDS_TO_BE_MISSED, False
    while True:
        try:
            return fleet.activate()
        except StillThereError as error:
            if time.monotonic() > end:
                raise
            if not told:
                tell(f"{error}; it is tried for {_SECONDS_TO_BE_MISSED:g} s")
            told = True
            time.sleep(_LONGEST_WAIT)


def _tls(link: Link, site: str) -> ssl.SSLContext:
    """Return a context that trusts the server of the keys alone, and shows the site's certificate."""
    context = ssl.create_default_context(cafile=str(link.keys / "ca.crt"))
    certificate = link.keys / link.certificate_of(site)
    context.load_cert_chain(certificate, certificate.with_suffix(""))
    return context


class _HungUpError(Exception):
    """The link took the call, and ended it without a word."""


def _heard(ask: Callable[[], T]) -> T:
    try:
        return ask()
    except (httpx.RemoteProtocolError, httpx.ReadError) as error:
        raise _HungUpError from error


def _refused(error: BaseException | None) -> ssl.SSLError | None:
    """Return why the handshake failed, if it did; a connection that breaks while it is encrypted passes."""
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    is_final = isinstance(error, ssl.SSLCertVerificationError) or (error and "ALERT" in (error.reason or "").upper())
    return error if is_final else None


def _check_passes(error: httpx.TransportError) -> None:
    """Raise what does not pass by waiting."""
    if isinstance(reason := _refused(error), ssl.SSLCertVerificationError):
        raise NotLetIn(
            f"federate node: the server is not the one of ca.crt ({reason.verify_message}); copy ca.crt anew, or mend "
            "--address"
        ) from None
    if reason:
        raise NotLetIn(_UNKNOWN.format(reason.reason)) from None
