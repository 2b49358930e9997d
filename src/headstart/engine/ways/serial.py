"""The readable engine: plain Python, one client after another. It specifies what every other engine must compute."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass

from headstart.core import trees
from headstart.core.arrays import Array
from headstart.core.faults import fault_of
from headstart.core.seeds import Key
from headstart.core.trees import Tree
from headstart.engine.protocol import Chunk, Failure, Job, chunk_of, failure_of


class Serial:
    """One client after another."""

    def crew(self, job: Job) -> nullcontext[OneByOne]:
        """Return who does the job."""
        return nullcontext(OneByOne(job))


@dataclass(frozen=True)
class OneByOne:
    """Does a job client by client."""

    job: Job

    def map(self, shared: Tree, positions: Array, key: tuple[Key, ...]) -> Iterator[Chunk | Failure]:
        """Do the work for each client in turn."""
        for position in positions.tolist():
            yield self.one(shared, position, key)

    def one(self, shared: Tree, position: int, key: tuple[Key, ...]) -> Chunk | Failure:
        """Do one client's work; its own failure, whatever it is, must not end the others' work.

        Raises:
            EngineError: memory, processes or the device fail, for which no client is to blame.
        """
        job = self.job
        try:
            results = job.work(job.model, shared, job.privates.one(position), job.clients.one(position, key))
            return chunk_of(job, [position], tuple(trees.stack([result]) for result in results))
        except Exception as error:
            if fault := fault_of(error):
                raise fault from error
            return failure_of(position, error)
