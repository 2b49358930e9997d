"""Our messages as Flower's, and back; nothing that came over the network is used before it is looked at."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from safetensors.torch import load, save

from headstart.core.errors import ClientError, require
from headstart.core.trees import Tree
from headstart.sites.messages import Reply, Request

EXTRA = "flower"
MOST_BYTES = 2**31
"""A message larger than this is not read."""

PACKED = "safetensors"
"""Name of the array that holds a tree."""

POLL_SECONDS = 0.2


def to_content(values: Mapping[str, Any], tree: Tree) -> Any:
    """Return a Flower record of plain values and tensors.

    A tree travels as one array, the bytes of a safetensors file: Flower stores every array on its own, and a server's
    database that many sites write many small ones to at once falls behind.
    """
    app = require("flwr.app", EXTRA)
    packed = np.frombuffer(save({name: value.detach().cpu().contiguous() for name, value in tree.items()}), np.uint8)
    return app.RecordDict(
        {
            "values": app.ConfigRecord({"json": json.dumps(dict(values))}),
            "tree": app.ArrayRecord(array_dict={PACKED: app.Array(packed)}),
        }
    )


def from_content(content: Any, most_bytes: int = MOST_BYTES) -> tuple[dict[str, Any], Tree, int]:
    """Read plain values and tensors; the third is how many bytes the tensors took.

    Raises:
        ClientError: the message is too large, or its parts are not what they say.
    """
    size = sum(len(array.data) for array in dict(content["tree"]).values())
    if size > most_bytes:
        raise ClientError(f"a message must have at most {most_bytes} bytes, received {size}; nothing was read")
    try:
        values = json.loads(str(content["values"]["json"]))
        # Copied: products of numbers that lie elsewhere in a cache line may round differently.
        tree = {name: value.clone() for name, value in load(content["tree"][PACKED].numpy().tobytes()).items()}
    except Exception as error:  # whatever a hostile sender can make a parser raise
        raise ClientError(f"a message could not be read ({type(error).__name__}: {error})") from None
    if not isinstance(values, dict):
        raise ClientError("a message could not be read: its values are no table")
    return values, tree, size


def to_message(request: Request, seconds: float) -> Any:
    """Return a Flower message that lives so long."""
    content = to_content(request.values, request.tree)
    message = require("flwr.app", EXTRA).Message
    return message(content, dst_node_id=request.site, message_type=f"query.{request.kind}", ttl=seconds)


@dataclass(frozen=True)
class GridAsk:
    """Asks sites through Flower's grid; a round closes when enough have answered, or the time is up.

    Attributes:
        grid: Flower's.
        timeout: seconds that sites have to answer.
        enough: share of sites whose answers close a round, once ``grace`` seconds have passed since.
        grace: seconds for the rest.
        most_bytes: of one reply.
    """

    grid: Any
    timeout: float = 600.0
    enough: float = 1.0
    grace: float = 5.0
    most_bytes: int = MOST_BYTES
    clock: Callable[[], float] = time.monotonic

    def __call__(self, requests: Sequence[Request]) -> Iterator[Reply]:
        """Send, wait, and yield a reply for each site."""
        messages = [to_message(request, self.timeout) for request in requests]
        sites = dict(zip(self.grid.push_messages(messages), (request.site for request in requests), strict=True))
        return iter(self._wait(sites))

    def _wait(self, sites: Mapping[str, int]) -> list[Reply]:
        waiting, found = dict(sites), {}
        end = self.clock() + self.timeout
        while waiting and self.clock() < end:
            for message in self.grid.pull_messages(list(waiting)):
                site = waiting.pop(message.metadata.reply_to_message_id, None)
                if site is not None:
                    found[site] = self._read(message, site)
            if len(found) >= self.enough * len(sites) and waiting:
                end = min(end, self.clock() + self.grace)
            if waiting:
                time.sleep(POLL_SECONDS)
        missing = {site: Reply(site, error=f"it did not answer within {self.timeout:g} s") for site in waiting.values()}
        return [{**missing, **found}[site] for site in sites.values()]

    def _read(self, message: Any, site: int) -> Reply:
        if message.has_error():
            return Reply(site, error=f"it failed: {message.error.reason or 'code ' + str(message.error.code)}")
        try:
            values, tree, size = from_content(message.content, self.most_bytes)
        except ClientError as error:
            return Reply(site, error=str(error))
        return Reply(site, values, tree, str(values.get("error", "")), size)
