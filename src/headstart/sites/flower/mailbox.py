"""The server's own mail: what comes is fetched answer by answer, so that none holds up the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from flwr.app import Message
from flwr.app.message import make_message
from flwr.common.constant import SUPERLINK_NODE_ID
from flwr.common.serde import message_from_proto
from flwr.proto.message_pb2 import ConfirmMessageReceivedRequest, ObjectTree
from flwr.proto.message_pb2 import Message as Head
from flwr.proto.node_pb2 import Node
from flwr.proto.runtime_pb2 import GetNodesRequest, PullAppMessagesRequest, PushAppMessagesRequest
from flwr.supercore.inflatable.inflatable_protobuf_utils import (
    make_pull_object_fn_protobuf,
    make_push_object_fn_protobuf,
)
from flwr.supercore.inflatable.inflatable_utils import ObjectPushError
from flwr.supercore.runtime import RuntimeHttpClient

from headstart.core.errors import ClientError
from headstart.sites.flower.objects import Register, fetch_content, send_messages
from headstart.sites.flower.patience import Patience

_TRIES = 3
"""A link that was away may have forgotten what was being sent; it is announced anew."""


class Arrived(Protocol):
    """A message that came, whose parts are still with the link."""

    @property
    def reply_to(self) -> str:
        """The message that it answers."""
        ...

    def open(self, seconds: float, most_bytes: int) -> Message:
        """Fetch it.

        Raises:
            ClientError: its parts are not there in time, are too large, or no message.
        """
        ...


class Mail(Protocol):
    """Sends messages, and says what came."""

    def push_messages(self, messages: Iterable[Message]) -> Sequence[str]:
        """Send; return the names of what was sent."""
        ...

    def arrived(self, names: Sequence[str]) -> Sequence[Arrived]:
        """Return what came in answer to some of them, each once; may wait some seconds for the first."""
        ...

    def since(self) -> Mapping[int, str]:
        """Return the sites that are there, each with a word that changes when something may have been lost."""
        ...


@dataclass(frozen=True, eq=False)
class Mailbox:
    """One run's.

    Attributes:
        client: which calls the link.
        run: number of the run.
        line: waits for a link that is away.
    """

    client: RuntimeHttpClient
    run: int
    line: Patience
    node: Node = field(default_factory=lambda: Node(node_id=SUPERLINK_NODE_ID))

    @property
    def addresses(self) -> list[int]:
        """Of the sites that are there."""
        return sorted(self.since())

    def since(self) -> Mapping[int, str]:
        """Return when each site came in, and how often this program's own line broke."""
        found = self.line.call(lambda: self.client.GetNodes(GetNodesRequest())).nodes
        return {one.node_id: f"{one.last_activated_at} {self.line.broken}" for one in found}

    def push_messages(self, messages: Iterable[Message]) -> Sequence[str]:
        """Send.

        Raises:
            ClientError: the link does not take them.
        """
        sent, names = list(messages), list[str]()
        if not sent:
            return names
        for _ in range(_TRIES):
            try:
                send_messages(sent, self._register(names))
            except ObjectPushError:
                names.clear()
            else:
                return names
        raise ClientError("federate run: the link does not take what is sent; see its log")

    def _register(self, names: list[str]) -> Register:
        def register(heads: list[Head], trees: list[ObjectTree]) -> tuple[Iterable[str], Callable[[str, bytes], None]]:
            ask = PushAppMessagesRequest(messages_list=heads, message_object_trees=trees)
            taken = self.line.call(lambda: self.client.PushMessages(ask))
            names.extend(taken.message_ids)
            push = make_push_object_fn_protobuf(
                lambda one: self.line.call(lambda: self.client.PushObject(one)), self.node, self.run, taken.session_id
            )
            return taken.objects_to_push, push

        return register

    def arrived(self, names: Sequence[str]) -> Sequence[Arrived]:
        """Say what came."""
        ask = PullAppMessagesRequest(message_ids=names)
        found = self.line.call(lambda: self.client.PullMessages(ask))
        heads = zip(found.messages_list, found.message_object_trees, strict=True)
        return [_Letter(self, message_from_proto(head), tree) for head, tree in heads]


@dataclass(frozen=True, eq=False)
class _Letter:
    mailbox: Mailbox
    head: Message
    tree: ObjectTree

    @property
    def reply_to(self) -> str:
        return str(self.head.metadata.reply_to_message_id)

    def open(self, seconds: float, most_bytes: int) -> Message:
        box = self.mailbox
        pull = make_pull_object_fn_protobuf(
            lambda one: box.line.call(lambda: box.client.PullObject(one)), box.node, box.run
        )
        content = None if self.head.has_error() else fetch_content(self.tree, pull, most_bytes, seconds)
        ask = ConfirmMessageReceivedRequest(node=box.node, run_id=box.run, message_object_id=self.tree.object_id)
        box.line.call(lambda: box.client.ConfirmMessageReceived(ask))
        return self.head if content is None else make_message(metadata=self.head.metadata, content=content)
