"""A message's parts, sent and fetched within bounds of number, bytes and time.

What a sender put into them raises no other error than ours.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from flwr.app import ConfigRecord, Message, RecordDict
from flwr.app.message import remove_content_from_message
from flwr.common.serde import message_to_proto
from flwr.proto.message_pb2 import Message as Head
from flwr.proto.message_pb2 import ObjectTree
from flwr.supercore.inflatable.inflatable_object import (
    get_all_nested_objects,
    get_object_tree,
    iterate_object_tree,
    no_object_id_recompute,
)
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents, pull_objects

from headstart.core.errors import ClientError

ALONE = "values"
"""The record that may travel without others."""

_MOST_OBJECTS = 10_000
"""Of one message: arrays travel in pieces of 5 MiB."""

_AT_ONCE = 2
"""Parts that are sent beside each other; no more of them are in memory twice."""


class LostError(ClientError):
    """A message will never be whole; whoever sent it may be asked again."""


Register = Callable[[list[Head], list[ObjectTree]], tuple[Iterable[str], Callable[[str, bytes], None]]]
"""Announces messages; returns which parts are wanted, and what sends one."""


def send_messages(messages: Sequence[Message], register: Register) -> None:
    """Send messages without their content, then each part of that which is not there yet, once."""
    with no_object_id_recompute():
        roots = [_root(message.content) for message in messages]
        for message, root in zip(messages, roots, strict=True):
            message.metadata.__dict__["_message_id"] = root.object_id
        heads = [message_to_proto(remove_content_from_message(one)) for one in messages]
        wanted, push = register(heads, [get_object_tree(root) for root in roots])
        parts = {name: part for root in roots for name, part in get_all_nested_objects(root).items()}
        _send(((name, parts[name].deflate) for name in dict.fromkeys(wanted) if name in parts), push)


def _root(content: RecordDict) -> RecordDict | ConfigRecord:
    """Return the content, or the one record that it is: every part more is two calls more for everybody."""
    alone = content.config_records.get(ALONE)
    return content if alone is None or len(content) > 1 else alone


def _send(parts: Iterator[tuple[str, Callable[[], bytes]]], push: Callable[[str, bytes], None]) -> None:
    """Send parts, a few at once; the first error ends it."""
    lock = threading.Lock()

    def take() -> tuple[str, Callable[[], bytes]] | None:
        with lock:
            return next(parts, None)

    def work(_: int) -> None:
        while (one := take()) is not None:
            push(one[0], one[1]())

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(work, range(_AT_ONCE)))


def fetch_content(tree: ObjectTree, pull: Callable[[str], bytes], most_bytes: int, seconds: float) -> RecordDict:
    """Fetch a message's content.

    Args:
        tree: of its parts.
        pull: fetches one by its name.
        most_bytes: of all together.
        seconds: that they have to be there.

    Raises:
        LostError: they are not there in time.
        ClientError: they are too many, too large, or no content.
    """
    parts = [one.object_id for _, one in zip(range(_MOST_OBJECTS + 1), iterate_object_tree(tree), strict=False)]
    if len(parts) > _MOST_OBJECTS:
        raise ClientError(f"a message must have at most {_MOST_OBJECTS} parts; it was not fetched")
    try:
        capped = _capped(pull, most_bytes)
        found = pull_objects(parts, capped, initial_backoff=0.02, backoff_cap=1.0, max_time=max(seconds, 0.1))
    except ClientError:
        raise
    except Exception as error:
        raise LostError(f"a message could not be fetched ({type(error).__name__})") from None
    return _content(tree.object_id, found)


def _content(root: str, parts: dict[str, bytes]) -> RecordDict:
    try:
        content = inflate_object_from_contents(root, parts)
    except Exception as error:  # whatever a hostile sender can make a parser raise
        raise ClientError(f"a message could not be read ({type(error).__name__})") from None
    if isinstance(content, ConfigRecord):
        return RecordDict({ALONE: content})
    if isinstance(content, RecordDict):
        return content
    raise ClientError("a message could not be read: it is something else")


def _capped(pull: Callable[[str], bytes], most_bytes: int) -> Callable[[str], bytes]:
    """Return what fetches a part, until too many bytes have come."""
    came = [0]

    def fetch(part: str) -> bytes:
        content = pull(part)
        came[0] += len(content)
        if came[0] > most_bytes:
            raise ClientError(f"a message must have at most {most_bytes} bytes; the rest was not fetched")
        return content

    return fetch
