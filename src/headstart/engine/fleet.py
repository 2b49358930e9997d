"""All clients at once, where that pays: heads are trained as stacks, by batched matrix products."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from headstart.core import trees
from headstart.core.trees import Tree
from headstart.engine.protocol import Chunk, Failure, Work
from headstart.engine.serial import Serial
from headstart.engine.team import Team
from headstart.models.model import Model


@dataclass(frozen=True)
class Fleet:
    """Stacks of clients for heads; one client after another for deeper training.

    Attributes:
        chunk_bytes: memory that one stack's padded activations may take.
    """

    chunk_bytes: int = 256 * 2**20

    def map(
        self, work: Work, model: Model, shared: Tree, privates: Sequence[Tree], team: Team
    ) -> Iterator[Chunk | Failure]:
        """Do ``work`` for chunks of clients; a chunk that fails is done again one by one, to find the culprit."""
        if not model.is_head_only:
            yield from Serial().map(work, model, shared, privates, team)
            return
        for positions in self.chunks(model, team):
            span = slice(positions[0], positions[-1] + 1)
            some = Team(team.clients[span], team.activations, team.key)
            try:
                stacked = trees.stack(privates[span])
                results = work(model, trees.broadcast(shared, len(positions)), stacked, some.some(slice(None)))
            except Exception:
                yield from _shift(Serial().map(work, model, shared, privates[span], some), positions[0])
            else:
                yield Chunk(positions, results)

    def chunks(self, model: Model, team: Team) -> Iterator[list[int]]:
        """Split the team into runs of clients whose padded activations fit."""
        widest = max((len(client.train) for client in team.clients), default=1)
        per_client = max(1, widest) * model.network.num_features * 16
        size = max(1, self.chunk_bytes // per_client)
        for start in range(0, len(team.clients), size):
            yield list(range(start, min(start + size, len(team.clients))))


def _shift(results: Iterator[Chunk | Failure], by: int) -> Iterator[Chunk | Failure]:
    for result in results:
        if isinstance(result, Failure):
            yield Failure(result.position + by, result.reason)
        else:
            yield Chunk([position + by for position in result.positions], result.results)
