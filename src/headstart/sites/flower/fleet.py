"""A site's end of the link: it calls the server, takes what is for it, and brings the answer. No code is fetched."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

import httpx
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from flwr.app import Message
from flwr.app.message import remove_content_from_message
from flwr.common.constant import HEARTBEAT_DEFAULT_INTERVAL
from flwr.common.serde import message_from_proto, message_to_proto
from flwr.proto.fleet_pb2 import (
    ActivateNodeRequest,
    DeactivateNodeRequest,
    PullMessagesRequest,
    PushMessagesRequest,
)
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.message_pb2 import ConfirmMessageReceivedRequest, ObjectTree
from flwr.proto.node_pb2 import Node
from flwr.supercore.heartbeat import HeartbeatSender
from flwr.supercore.inflatable.inflatable_object import (
    get_all_nested_objects,
    get_object_tree,
    iterate_object_tree,
    no_object_id_recompute,
)
from flwr.supercore.inflatable.inflatable_protobuf_utils import (
    make_pull_object_fn_protobuf,
    make_push_object_fn_protobuf,
)
from flwr.supercore.inflatable.inflatable_utils import (
    inflate_object_from_contents,
    pull_objects,
    push_object_contents_from_iterable,
)
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor
from flwr.supercore.primitives.asymmetric import public_key_to_bytes
from flwr.supercore.task_identity import TaskIdentity
from flwr.supernode.fleet_http_client import FleetHttpClient
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

from headstart.core.errors import ClientError
from headstart.sites.flower.programs import Link

T = TypeVar("T")
Tell = Callable[[str], None]

_LONGEST_WAIT = 5.0
_MOST_HANG_UPS = 5
_UNKNOWN = (
    "federate node: the link does not let this site in ({}); its sites/NAME.pub and NAME.crt must lie in keys/sites on "
    "the server before 'headstart federate up' starts"
)
_MOST_OBJECTS = 10_000
"""Of one message: arrays travel in pieces of 5 MiB."""


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
        tell: told when the link is gone, and when it is back.
        node: by which the link knows the site; changes when a link forgets.
        away: whether it was said that the link is gone.
    """

    client: FleetHttpClient
    key: EllipticCurvePrivateKey
    tell: Tell
    node: Node
    away: bool = False

    def pull(self) -> Got | None:
        """Return the next message, if there is one."""
        found = self.call(lambda: self.client.PullMessages(PullMessagesRequest(node=self.node)))
        if not found.messages_list:
            return None
        return Got(message_from_proto(found.messages_list[0]), found.message_object_trees[0])

    def open(self, got: Got, most_bytes: int) -> Message:
        """Fetch a message's content.

        Raises:
            ClientError: it has too many parts, or more bytes than allowed.
        """
        parts = [one.object_id for _, one in zip(range(_MOST_OBJECTS + 1), iterate_object_tree(got.tree), strict=False)]
        if len(parts) > _MOST_OBJECTS:
            raise ClientError(f"a message must have at most {_MOST_OBJECTS} parts; it was not fetched")
        found = pull_objects(parts, self._fetch(got, most_bytes), initial_backoff=0.02, backoff_cap=1.0, max_time=600)
        confirm = ConfirmMessageReceivedRequest(node=self.node, run_id=got.run, message_object_id=got.tree.object_id)
        self.call(lambda: self.client.ConfirmMessageReceived(confirm))
        message = inflate_object_from_contents(got.tree.object_id, found)
        if not isinstance(message, Message):
            raise ClientError("a message could not be read: it holds something else")
        message.metadata.__dict__["_message_id"] = got.tree.object_id
        # Flower lets messages be made within a task only, and a site has none.
        TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = got.run, self.node.node_id, 1
        return message

    def _fetch(self, got: Got, most_bytes: int) -> Callable[[str], bytes]:
        """Return what fetches a part, until too many bytes have come."""
        pull = make_pull_object_fn_protobuf(
            lambda one: self.call(lambda: self.client.PullObject(one)), self.node, got.run
        )
        came = [0]

        def fetch(part: str) -> bytes:
            content = pull(part)
            came[0] += len(content)
            if came[0] > most_bytes:
                raise ClientError(f"a message must have at most {most_bytes} bytes; the rest was not fetched")
            return content

        return fetch

    def push(self, reply: Message, seconds: float) -> None:
        """Bring an answer."""
        reply.metadata.__dict__["_message_id"] = reply.object_id
        with no_object_id_recompute():
            head = message_to_proto(remove_content_from_message(reply) if reply.has_content() else reply)
            sent = PushMessagesRequest(
                node=self.node,
                messages_list=[head],
                message_object_trees=[get_object_tree(reply)],
                clientapp_runtime_list=[seconds],
            )
            taken = self.call(lambda: self.client.PushMessages(sent))
            wanted = set(taken.objects_to_push)
            parts = ((name, one.deflate()) for name, one in get_all_nested_objects(reply).items() if name in wanted)
            push = make_push_object_fn_protobuf(
                lambda one: self.call(lambda: self.client.PushObject(one)),
                self.node,
                reply.metadata.run_id,
                taken.session_id,
            )
            push_object_contents_from_iterable(parts, push)

    def call(self, ask: Callable[[], T]) -> T:
        """Call the link; while it is gone, wait for it, and say so once.

        Raises:
            ClientError: it is not the one of the keys.
        """
        wait = 0.1
        while True:
            try:
                found = ask()
            except (httpx.TransportError, httpx.HTTPStatusError) as error:
                _check_passes(error)
                if wait > 1 and not self.away:
                    self.tell(f"the link does not answer ({type(error).__name__}); it is tried until it does")
                    self.away = True
                time.sleep(wait)
                wait = min(2 * wait, _LONGEST_WAIT)
            else:
                if self.away:
                    self.tell("the link is back")
                self.away = False
                return found

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
            raise NotLetIn(_UNKNOWN.format(f"status {error.response.status_code}")) from None

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
def connected(link: Link, site: str, key: EllipticCurvePrivateKey, tell: Tell) -> Iterator[Fleet]:
    """Connect a site, and take leave in the end.

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
    fleet = Fleet(client, key, tell, Node())
    fleet.activate()
    beats = HeartbeatSender(fleet.beat)
    beats.start()
    try:
        yield fleet
    finally:
        beats.stop()
        with suppress(httpx.HTTPError):  # the link may be gone first
            client.DeactivateNode(DeactivateNodeRequest(node_id=fleet.node.node_id))
        client.close()


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


def _check_passes(error: httpx.TransportError | httpx.HTTPStatusError) -> None:
    """Raise what does not pass by waiting."""
    if isinstance(error, httpx.HTTPStatusError) and error.response.status_code not in (502, 503, 504):
        raise error
    if isinstance(reason := _refused(error), ssl.SSLCertVerificationError):
        raise NotLetIn(
            f"federate node: the server is not the one of ca.crt ({reason.verify_message}); copy ca.crt anew, or mend "
            "--address"
        ) from None
    if reason:
        raise NotLetIn(_UNKNOWN.format(reason.reason)) from None
