"""The engine of a real federation: a crew that asks sites, and looks at what they answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from headstart.core.arrays import Array
from headstart.core.seeds import Key
from headstart.core.trees import Tree, stack
from headstart.engine.protocol import Chunk, Failure, Job
from headstart.sites.checks import Expected, refused
from headstart.sites.server import Server


@dataclass(frozen=True, eq=False)
class Remote:
    """The engine of a real federation: work is done where the data lives.

    Attributes:
        server: whom it speaks for.
        values: what every request of this stage says.
        expected: what an update must look like.
    """

    server: Server
    values: Mapping[str, Any]
    expected: Expected

    @contextmanager
    def crew(self, job: Job) -> Iterator[RemoteCrew]:
        """Return who does a job."""
        yield RemoteCrew(self, [client.id for client in job.clients.members])


@dataclass(frozen=True, eq=False)
class RemoteCrew:
    """Sites doing a stage's rounds."""

    engine: Remote
    ids: Sequence[str]

    def map(self, shared: Tree, positions: Array, key: tuple[Key, ...]) -> Iterator[Chunk | Failure]:
        """Ask the clients at ``positions`` for their updates; what does not fit is a failure with its reason."""
        server, by_id = self.engine.server, {member.id: member for member in self.engine.server.members}
        who = [by_id[self.ids[position]] for position in positions.tolist()]
        place = {member.address: position for member, position in zip(who, positions.tolist(), strict=True)}
        replies = list(server.send("update", who, {**self.engine.values, "round": key[-1]}, shared))
        bad = refused(replies, self.engine.expected)
        for reply in sorted(replies, key=lambda one: place[one.site]):
            position = place[reply.site]
            if reply.site in bad:
                yield Failure(position, bad[reply.site])
            else:
                yield Chunk([position], (stack([reply.tree]), {}))
