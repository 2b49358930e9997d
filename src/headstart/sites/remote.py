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
from headstart.sites.lengths import anew, norm
from headstart.sites.messages import Update
from headstart.sites.norms import Norms
from headstart.sites.said import Done
from headstart.sites.secure.exchange import Collected, Exchange
from headstart.sites.secure.means import mean_of, too_heavy
from headstart.sites.server import Server
from headstart.sites.settings import MOST_TIMES
from headstart.sites.transport import Answer, Failed


@dataclass(frozen=True, eq=False)
class Remote:
    """The engine of a real federation: work is done where the data lives.

    Attributes:
        server: whom it speaks for.
        request: what a round's sites are asked.
        expected: what an update must look like.
        hear: told what a round's sites said beside their updates.
        is_clipped: whether all clients weigh the same in a mean, as where updates are clipped.
    """

    server: Server
    request: Callable[[int], Update]
    expected: Expected
    hear: Callable[[int, Sequence[Done]], None]
    is_clipped: bool = False

    @contextmanager
    def crew(self, job: Job) -> Iterator[Crew]:
        """Return who does a job."""
        norms = None if job.is_summed else Norms()
        yield _Crew(self, [self.server.address_of(client.id) for client in job.clients.members], norms, job.is_summed)


@dataclass(frozen=True, eq=False)
class _Crew:
    """Sites doing a stage's rounds, by position."""

    engine: Remote
    addresses: Sequence[int]
    norms: Norms | None
    is_summed: bool

    def map(self, shared: Tree, positions: Array, key: tuple[Key, ...]) -> Iterator[Chunk | Failure]:
        """Ask the clients at ``positions`` for their updates; what does not fit is a failure with its reason."""
        place = {self.addresses[position]: position for position in positions.tolist()}
        request = self.engine.request(int(key[-1]))
        came = self._noted(request, shared, list(place))
        self.engine.hear(request.round, [one.said for one in came if isinstance(one, Answer)])
        for one in sorted(came, key=lambda one: place[one.site]):
            position = place[one.site]
            if isinstance(one, Failed):
                yield Failure(position, one.reason)
            else:
                yield Chunk([position], (stack([one.tree]), {}))

    def _noted(self, request: Update, shared: Tree, to: Sequence[int]) -> Sequence[Answer[Done] | Failed]:
        """Ask, and note the round with all that it takes."""
        network, stage = self.engine.server.ask, request.stage
        with network.noting("round", stage=stage.key, method=stage.method.name, round=request.round):
            came = self._asked(request, shared, to)
            network.take(came)
        return came

    def _asked(self, request: Update, shared: Tree, to: Sequence[int]) -> Sequence[Answer[Done] | Failed]:
        """Return what came; under masks, what stands for it."""
        server, check = self.engine.server, self.engine.expected.check
        if server.asks.secure:
            found = Exchange(server).collect(to, lambda masks: replace(request, masks=masks), shared, check)
            return [*found.lost, *(self._summed(found) if self.is_summed else self._averaged(found, shared))]
        came = check(server.send(request, shared, to))
        return self.norms.check(came, shared) if self.norms else came

    def _summed(self, found: Collected[Done]) -> list[Answer[Done]]:
        """Return the one sum that can be read as the first client's, and nothing but zeros of the others."""
        if self.engine.expected.sums:
            self.engine.expected.sums.check_total(found.total, found.answers)
        none = map_tree(torch.zeros_like, found.total)
        return [replace(one, tree=none if number else found.total) for number, one in enumerate(found.answers)]

    def _averaged(self, found: Collected[Done], shared: Tree) -> list[Answer[Done]]:
        """Return the mean as everybody's update, so that their mean is that again.

        Raises:
            ClientError: it would make other weights of all, as no honest site's update does.
        """
        server = self.engine.server
        weights = dict.fromkeys(found.weights, 1.0) if self.engine.is_clipped else found.weights
        mean = mean_of(found.total, sum(weights.values()), server.lab.dtype)
        if (times := norm(mean) / max(anew(shared), 1e-12)) > MOST_TIMES:
            raise ClientError(
                f"secure means: the norm of the mean is {times:.0f} times the shared weights and 1 for each, more than "
                f"{MOST_TIMES:g}; some site's update is false, which masks hide: run it without --secure to see whose"
            )
        if heavy := too_heavy(weights):
            server.tell(
                f"'{heavy}' weighs more than the others of this round together, uncapped: of these, some were lost"
            )
        return [replace(one, tree=mean) for one in found.answers]
