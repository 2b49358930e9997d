"""All clients at once: parameters of many clients as one stack, so that a step is a few operations for all of them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from headstart.core import trees
from headstart.core.arrays import Array
from headstart.core.device import free_bytes
from headstart.core.faults import Portions, free_memory, is_out_of_memory
from headstart.core.seeds import Key
from headstart.core.trees import Tree
from headstart.engine.features.padding import Inputs, RaggedTensor
from headstart.engine.protocol import Chunk, Failure, Job, chunk_of, failure_of
from headstart.engine.ways.serial import OneByOne
from headstart.models.memory import bytes_kept

_BYTES = 256 * 2**20
"""Memory of a stack that suits a processor's caches."""

_SHARE = 2
"""Of a card's free memory one stack may take the half: what it computes is reckoned roughly."""


@dataclass(frozen=True)
class Stacked:
    """Does a job for stacks of clients.

    A stack that finds no memory is halved, for the rest of the stage, at last to single clients: the numbers stay but
    for the last bits of what is summed, of blocks too.

    Attributes:
        job: what is to be done.
        chunk_bytes: memory that one stack may take; None takes half of a card's, and a quarter of a GiB elsewhere.
        block_bytes: the same for stacks whose results are summed. It is not for a user to change: sums depend in their
            last bits on where one block ends.
        portions: clients of a stack at most, once memory was short.
    """

    job: Job
    chunk_bytes: int | None = None
    block_bytes: int = _BYTES
    portions: Portions = field(default_factory=Portions)

    def map(self, shared: Tree, positions: Array, key: tuple[Key, ...]) -> Iterator[Chunk | Failure]:
        """Do the work for chunks of clients; a chunk that fails is done again one by one, to find the culprit.

        Raises:
            EngineError: one client alone finds no memory, or the device fails.
        """
        result_bytes = self._bytes_of_results(shared, positions, key) if self.job.is_summed else 0
        for some in self.chunks(positions, result_bytes):
            for _, found in self.portions.each(lambda few: self._tried(shared, few, key), some):
                yield from found

    def _tried(self, shared: Tree, positions: Array, key: tuple[Key, ...]) -> list[Chunk | Failure]:
        """Do a stack's work; another error than want of memory is a single client's, or the engine's."""
        try:
            return [self._chunk(shared, positions, key)]
        except Exception as error:
            is_short, reason = is_out_of_memory(error), failure_of(-1, error).reason
            if is_short and len(positions) > 1:
                raise
        if is_short:
            free_memory()
        found = list(OneByOne(self.job).map(shared, positions, key))
        if not (is_short or any(isinstance(one, Failure) for one in found)):
            warnings.warn(
                f"{len(positions)} clients failed together ({reason}), and none alone: they are done one by one, which "
                "takes longer",
                RuntimeWarning,
                stacklevel=2,
            )
        return found

    def _chunk(self, shared: Tree, positions: Array, key: tuple[Key, ...]) -> Chunk:
        job = self.job
        stack, privates = trees.broadcast(shared, len(positions)), job.privates.some(positions)
        with warnings.catch_warnings():
            # PyTorch warns where it stacks an operation one client at a time; the clock said whether that pays.
            warnings.filterwarnings("ignore", message="There is a performance drop")
            results = job.work(job.model, stack, privates, job.clients.some(positions, key))
        return chunk_of(job, positions.tolist(), results)

    def chunks(self, positions: Array, result_bytes: int = 0) -> Iterator[Array]:
        """Split positions into runs of clients whose padded activations, parameters and results fit."""
        widest = self.job.clients.rows.widest(positions)
        # Parameters, their gradient and an optimiser's state; activations and what is made of them; a square matrix,
        # of which half is sent.
        per_client = 4 * self.job.num_bytes + self._bytes_of_examples(widest) + 3 * result_bytes
        size = max(1, self._room() // max(1, per_client))
        yield from np.split(positions, range(size, len(positions), size)) if len(positions) else ()

    def _room(self) -> int:
        if self.job.is_summed:
            return self.block_bytes
        free = free_bytes(self.job.clients.rows.device)
        return self.chunk_bytes or (_BYTES if free is None else max(_BYTES, free // _SHARE))

    def _bytes_of_results(self, shared: Tree, positions: Array, key: tuple[Key, ...]) -> int:
        """Return what one client's results take: those of one example are as large as any; 0 if no client has any."""
        job = self.job
        for position in positions.tolist():
            one = job.clients.one(position, key)
            # Whose failure it is, the round will say.
            with suppress(Exception):
                results = job.work(job.model, shared, job.privates.one(position), replace(one, indices=one.indices[:1]))
                return sum(trees.num_bytes(tree) for tree in results)
        return 0

    def _bytes_of_examples(self, widest: int) -> int:
        model = self.job.model
        if model.is_head_only:
            return 4 * widest * model.network.num_features * 4
        if model.adapters:
            kept = bytes_kept(model, _longest(self.job.clients.activations.at(model)), self.job.dtype)
            # What the backward pass makes on its way is half as much again at most.
            return int(1.5 * min(self.job.batch_size, widest) * kept)
        one = self.job.clients.activations.few(model, 1)
        # Without the frozen part, hidden activations of a step outweigh the inputs many times.
        return int(4 * self.job.batch_size * one.numel() * 4 * 32)


def _longest(inputs: Inputs) -> Tensor:
    """Return two examples, of texts the longest."""
    if isinstance(inputs, RaggedTensor):
        return inputs[np.argsort(inputs.lengths, kind="stable")[-2:]]
    return inputs[torch.arange(min(2, len(inputs)))]
