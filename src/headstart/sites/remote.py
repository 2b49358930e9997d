"""The engine of a real federation: a crew that asks sites, and looks at what they answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from headstart.core.arrays import Array
from headstart.core.seeds import Key
from headstart.core.trees import Tree, stack
from headstart.engine.protocol import Chunk, Crew, Failure, Job
from headstart.sites.checks import Expected
from headstart.sites.messages import Update
from headstart.sites.norms import Norms
from headstart.sites.server import Server
from headstart.sites.transport import Failed


@dataclass(frozen=True, eq=False)
class Remote:
    """The engine of a real federation: work is done where the data lives.

    Attributes:
        server: whom it speaks for.
        request: what a round's sites are asked.
        expected: what an update must look like.
    """

    server: Server
    request: Callable[[int], Update]
    expected: Expected

    @contextmanager
    def crew(self, job: Job) -> Iterator[Crew]:
        """Return who does a job."""
        norms = None if job.is_summed else Norms()
        yield _Crew(self, [self.server.address_of(client.id) for client in job.clients.members], norms)


@dataclass(frozen=True, eq=False)
class _Crew:
    """Sites doing a stage's rounds, by position."""

    engine: Remote
    addresses: Sequence[int]
    norms: Norms | None

    def map(self, shared: Tree, positions: Array, key: tuple[Key, ...]) -> Iterator[Chunk | Failure]:
        """Ask the clients at ``positions`` for their updates; what does not fit is a failure with its reason."""
        place = {self.addresses[position]: position for position in positions.tolist()}
        came = self.engine.server.send(self.engine.request(int(key[-1])), shared, list(place))
        found = self.engine.expected.check(came)
        if self.norms:
            found = self.norms.check(found, shared)
        for one in sorted(found, key=lambda one: place[one.site]):
            position = place[one.site]
            if isinstance(one, Failed):
                yield Failure(position, one.reason)
            else:
                yield Chunk([position], (stack([one.tree]), {}))
