"""Our messages as Flower's, and back; nothing that came over the network is used before it is looked at."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict
from flwr.serverapp import Grid
from safetensors.torch import load, save

from headstart.core.errors import ClientError
from headstart.core.trees import Tree
from headstart.sites.settings import GRACE, NodeSettings, RunSettings
from headstart.sites.transport import Answer, Failed, Request

_PACKED = "safetensors"
_POLL_SECONDS = 0.2


def to_content(text: str, tree: Tree) -> RecordDict:
    """Return a Flower record of a text and tensors.

    A tree travels as one array, the bytes of a safetensors file: Flower stores every array on its own, and a server's
    database that many sites write many small ones to at once falls behind.
    """
    packed = np.frombuffer(save({name: value.detach().cpu().contiguous() for name, value in tree.items()}), np.uint8)
    tensors = ArrayRecord(array_dict={_PACKED: Array(packed)})
    return RecordDict({"values": ConfigRecord({"json": text}), "tree": tensors})


def from_content(content: RecordDict, most_bytes: int = NodeSettings.most_bytes) -> tuple[str, Tree, int]:
    """Read a text and tensors; the third is how many bytes the tensors took.

    Raises:
        ClientError: the message is too large, or its parts are not what they say.
    """
    try:
        size = sum(len(array.data) for array in content.array_records["tree"].values())
        text = str(content.config_records["values"]["json"])
    except Exception as error:  # whatever a hostile sender can make a parser raise
        raise _unreadable(error) from None
    if size + len(text) > most_bytes:
        raise ClientError(f"a message must have at most {most_bytes} bytes, received {size}; nothing was read")
    try:
        packed = content.array_records["tree"][_PACKED].numpy().tobytes()
        # Copied: products of numbers that lie elsewhere in a cache line may round differently.
        return text, {name: value.clone() for name, value in load(packed).items()}, size
    except Exception as error:  # the same
        raise _unreadable(error) from None


def _unreadable(error: Exception) -> ClientError:
    return ClientError(f"a message could not be read ({type(error).__name__}: {error})")


def _to_message(request: Request, seconds: float) -> Message:
    """Return a Flower message that lives so long."""
    content = to_content(request.text, request.tree)
    return Message(content, dst_node_id=request.site, message_type=f"query.{request.kind}", ttl=seconds)


@dataclass(frozen=True)
class GridAsk:
    """Asks sites through Flower's grid; a round closes when enough have answered, or the time is up.

    Attributes:
        grid: Flower's.
        timeout: seconds that sites have to answer.
        enough: share of sites whose answers close a round, once ``grace`` seconds have passed since.
        grace: seconds for the rest.
        most_bytes: of one reply.
        clock: seconds, from any moment on.
        to_message: makes Flower's message, which it allows within a running task only.
    """

    grid: Grid
    timeout: float = RunSettings.timeout
    enough: float = RunSettings.enough
    grace: float = GRACE
    most_bytes: int = NodeSettings.most_bytes
    clock: Callable[[], float] = time.monotonic
    to_message: Callable[[Request, float], Message] = _to_message

    def __call__(self, requests: Sequence[Request]) -> Iterator[Answer[str] | Failed]:
        """Send, wait, and yield what came from each site."""
        messages = [self.to_message(request, self.timeout) for request in requests]
        sites = dict(zip(self.grid.push_messages(messages), (request.site for request in requests), strict=True))
        return iter(self._wait(sites))

    def _wait(self, sites: Mapping[str, int]) -> list[Answer[str] | Failed]:
        waiting, end = dict(sites), self.clock() + self.timeout
        found: dict[int, Answer[str] | Failed] = {}
        while waiting and self.clock() < end:
            for message in self.grid.pull_messages(list(waiting)):
                site = waiting.pop(message.metadata.reply_to_message_id, None)
                if site is not None:
                    found[site] = self._read(message, site)
            if len(found) >= self.enough * len(sites) and waiting:
                end = min(end, self.clock() + self.grace)
            if waiting:
                time.sleep(_POLL_SECONDS)
        late = {site: Failed(site, f"it did not answer within {self.timeout:g} s") for site in waiting.values()}
        return [{**late, **found}[site] for site in sites.values()]

    def _read(self, message: Message, site: int) -> Answer[str] | Failed:
        if message.has_error():
            return Failed(site, f"it failed: {message.error.reason or 'code ' + str(message.error.code)}")
        try:
            return Answer(site, *from_content(message.content, self.most_bytes))
        except ClientError as error:
            return Failed(site, str(error))
