"""The readable engine: plain Python, one client after another. It specifies what every other engine must compute."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from headstart.core import trees
from headstart.core.trees import Tree
from headstart.engine.protocol import Chunk, Failure, Work
from headstart.engine.team import Team
from headstart.models.model import Model


class Serial:
    """One client after another."""

    def map(
        self, work: Work, model: Model, shared: Tree, privates: Sequence[Tree], team: Team
    ) -> Iterator[Chunk | Failure]:
        """Do ``work`` for each client in turn."""
        for position, private in enumerate(privates):
            try:
                results = work(model, shared, private, team.one(position))
            # A client's failure, whatever it is, must not end the others' work.
            except Exception as error:
                yield Failure(position, f"{type(error).__name__}: {error}")
            else:
                yield Chunk([position], tuple(trees.stack([result]) for result in results))
