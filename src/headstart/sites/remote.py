"""The engine of a real federation: a crew that asks sites, and looks at what they answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch

from headstart.core.arrays import Array
from headstart.core.errors import ClientError
from headstart.core.seeds import Key
from headstart.core.trees import Tree, map_tree, stack
from headstart.engine.protocol import Chunk, Crew, Failure, Job
from headstart.sites.checks import Expected
from headstart.sites.messages import Update
from headstart.sites.norms import Norms
from headstart.sites.probe.masks import unmask
from headstart.sites.said import Done
from headstart.sites.server import Server
from headstart.sites.transport import Answer, Failed


@dataclass(frozen=True, eq=False)
class Remote:
    """The engine of a real federation: work is done where the data lives.

    Attributes:
        server: whom it speaks for.
        request: what a round's sites, of these names, are asked.
        expected: what an update must look like.
        hear: told what a round's sites said beside their updates.
    """

    server: Server
    request: Callable[[int, Sequence[str]], Update]
    expected: Expected
    hear: Callable[[int, Sequence[Done]], None]

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
        server = self.engine.server
        request = self.engine.request(int(key[-1]), [server.sites[address].client for address in place])
        came = self.engine.expected.check(server.send(request, shared, list(place)))
        self.engine.hear(request.round, [one.said for one in came if isinstance(one, Answer)])
        if request.masks:
            came = self._together(came)
        elif self.norms:
            came = self.norms.check(came, shared)
        for one in sorted(came, key=lambda one: place[one.site]):
            position = place[one.site]
            if isinstance(one, Failed):
                yield Failure(position, one.reason)
            else:
                yield Chunk([position], (stack([one.tree]), {}))

    def _together(self, came: Sequence[Answer[Done] | Failed]) -> list[Answer[Done] | Failed]:
        """Return the one sum that can be read as the first client's, and nothing but zeros of the others.

        Raises:
            ClientError: a client was lost, whose masks the others have used.
        """
        found = [one for one in came if isinstance(one, Answer)]
        if lost := [one for one in came if isinstance(one, Failed)]:
            first = f"'{self.engine.server.sites[lost[0].site].client}': {lost[0].reason}"
            raise ClientError(f"secure sums of {len(found)} of {len(came)} clients came ({first}); run it without them")
        total = unmask([one.tree for one in found])
        if self.engine.expected.sums:
            self.engine.expected.sums.check_total(total, found)
        none = map_tree(torch.zeros_like, total)
        return [replace(one, tree=none if number else total) for number, one in enumerate(found)]
