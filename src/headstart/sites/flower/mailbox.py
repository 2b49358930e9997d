"""The operator's mail in one run: what came is fetched answer by answer, so that none holds up the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from flwr.app import Message
from flwr.proto.message_pb2 import ConfirmMessageReceivedRequest, ObjectTree
from flwr.proto.runtime_pb2 import PullAppMessagesRequest
from flwr.supercore.inflatable.inflatable_protobuf_utils import make_pull_object_fn_protobuf
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.superlink.grid import HttpGrid

from headstart.sites.flower.objects import fetch_message


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

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Send; return the names of what was sent."""
        ...

    def arrived(self, names: Sequence[str]) -> Sequence[Arrived]:
        """Return what came in answer to some of them, each once."""
        ...


@dataclass(frozen=True, eq=False)
class Mailbox:
    """One run's.

    Attributes:
        grid: Flower's, which sends.
        client: which fetches.
    """

    grid: HttpGrid
    client: RuntimeHttpClient

    @property
    def addresses(self) -> list[int]:
        """Of the sites that are there."""
        return sorted(self.grid.get_node_ids())

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Send."""
        return self.grid.push_messages(messages)

    def arrived(self, names: Sequence[str]) -> list[_Letter]:
        """Say what came."""
        found = self.client.PullMessages(PullAppMessagesRequest(message_ids=names))
        heads = zip(found.messages_list, found.message_object_trees, strict=True)
        return [_Letter(self, head.metadata.reply_to_message_id, tree) for head, tree in heads]


@dataclass(frozen=True, eq=False)
class _Letter:
    mailbox: Mailbox
    reply_to: str
    tree: ObjectTree

    def open(self, seconds: float, most_bytes: int) -> Message:
        client, node, run = self.mailbox.client, self.mailbox.grid.node, self.mailbox.grid.run.run_id
        pull = make_pull_object_fn_protobuf(client.PullObject, node, run)
        message = fetch_message(self.tree, pull, most_bytes, seconds)
        client.ConfirmMessageReceived(
            ConfirmMessageReceivedRequest(node=node, run_id=run, message_object_id=self.tree.object_id)
        )
        return message
