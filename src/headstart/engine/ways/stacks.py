"""All clients at once: parameters of many clients as one stack, so that a step is a few operations for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from headstart.core import trees
from headstart.core.arrays import Array
from headstart.core.seeds import Key
from headstart.core.trees import Tree
from headstart.engine.protocol import Chunk, Failure, Job, chunk_of
from headstart.engine.ways.serial import OneByOne


@dataclass(frozen=True)
class Stacked:
    """Does a job for stacks of clients.

    Attributes:
        job: what is to be done.
        chunk_bytes: memory that one stack may take.
    """

    job: Job
    chunk_bytes: int = 256 * 2**20

    def map(self, shared: Tree, positions: Array, key: tuple[Key, ...]) -> Iterator[Chunk | Failure]:
        """Do the work for chunks of clients; a chunk that fails is done again one by one, to find the culprit."""
        for some in self.chunks(positions):
            try:
                chunk = self._chunk(shared, some, key)
            except Exception:
                yield from OneByOne(self.job).map(shared, some, key)
            else:
                yield chunk

    def _chunk(self, shared: Tree, positions: Array, key: tuple[Key, ...]) -> Chunk:
        job = self.job
        stack, privates = trees.broadcast(shared, len(positions)), job.privates.some(positions)
        results = job.work(job.model, stack, privates, job.clients.some(positions, key))
        return chunk_of(job, positions.tolist(), results)

    def chunks(self, positions: Array) -> Iterator[Array]:
        """Split positions into runs of clients whose padded activations and parameters fit."""
        widest = self.job.clients.rows.widest(positions)
        # Parameters, their gradient and an optimiser's state; activations and what is made of them.
        per_client = 4 * self.job.num_bytes + 4 * self._bytes_of_examples(widest)
        size = max(1, self.chunk_bytes // max(1, per_client))
        yield from np.split(positions, range(size, len(positions), size)) if len(positions) else ()

    def _bytes_of_examples(self, widest: int) -> int:
        model = self.job.model
        if model.is_head_only:
            return widest * model.network.num_features * 4
        one = self.job.clients.activations.few(model, 1)
        # Without the frozen part, hidden activations of a step outweigh the inputs many times.
        return int(self.job.batch_size * one.numel() * 4 * 32)
