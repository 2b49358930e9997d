"""A message's parts, fetched within bounds of number, bytes and time; what a sender put there raises no other error."""

from __future__ import annotations

from collections.abc import Callable

from flwr.app import Message
from flwr.proto.message_pb2 import ObjectTree
from flwr.supercore.inflatable.inflatable_object import iterate_object_tree
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents, pull_objects

from headstart.core.errors import ClientError

_MOST_OBJECTS = 10_000
"""Of one message: arrays travel in pieces of 5 MiB."""


def fetch_message(tree: ObjectTree, pull: Callable[[str], bytes], most_bytes: int, seconds: float) -> Message:
    """Fetch a message.

    Args:
        tree: of its parts.
        pull: fetches one by its name.
        most_bytes: of all together.
        seconds: that they have to be there.

    Raises:
        ClientError: they are too many, too large, not there in time, or no message.
    """
    parts = [one.object_id for _, one in zip(range(_MOST_OBJECTS + 1), iterate_object_tree(tree), strict=False)]
    if len(parts) > _MOST_OBJECTS:
        raise ClientError(f"a message must have at most {_MOST_OBJECTS} parts; it was not fetched")
    try:
        capped = _capped(pull, most_bytes)
        found = pull_objects(parts, capped, initial_backoff=0.02, backoff_cap=1.0, max_time=max(seconds, 0.1))
        message = inflate_object_from_contents(tree.object_id, found)
    except ClientError:
        raise
    except Exception as error:  # whatever a hostile sender can make a parser raise
        raise ClientError(f"a message could not be fetched ({type(error).__name__})") from None
    if not isinstance(message, Message):
        raise ClientError("a message could not be read: it is something else")
    message.metadata.__dict__["_message_id"] = tree.object_id
    return message


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
