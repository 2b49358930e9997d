"""One pass of texts through the frozen part: texts of similar length together, so that little is padded."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor

from headstart.core.arrays import Array
from headstart.core.device import CPU
from headstart.core.faults import Portions, engine_faults
from headstart.core.ragged import places
from headstart.engine.features.distinct import Distinct
from headstart.engine.features.extraction import LARGEST_BATCH
from headstart.engine.features.feeding import feed, in_portions, lane_to, num_ahead
from headstart.engine.features.padding import MOST_TOKENS, RaggedTensor, batch_of_texts
from headstart.models.network import Network

_BATCH_BYTES = 8 * MOST_TOKENS
"""Bytes of a batch's tokens, but for a single text that is longer."""


@dataclass(eq=False)
class TextPass:
    """A pass of texts through a frozen part.

    Attributes:
        part: the frozen part, see :func:`headstart.engine.features.extraction.build`.
        inputs: tokens of all texts, on the CPU.
        distinct: which texts to compute.
        device: where.
        told: called with the number of texts that are done.
        most_rows: texts of a batch.
        shape: of all activations: of texts ``(texts, features)``, of tokens ``(tokens, width)``.
        dtype: of the activations.
        portions: texts that are computed at once, once memory was short.
    """

    part: Network
    inputs: RaggedTensor
    distinct: Distinct
    device: torch.device = CPU
    told: Callable[[int], None] | None = None
    most_rows: int = LARGEST_BATCH
    shape: tuple[int, ...] = field(init=False)
    dtype: torch.dtype = field(init=False)
    portions: Portions = field(default_factory=Portions, init=False)

    def __post_init__(self) -> None:
        self.distinct = self.distinct.by(self.inputs.lengths)
        one = self._run(self.inputs[:1])
        self._of_tokens = one.dim() == 3
        self.shape = (
            (int(self.inputs.starts[-1]), one.shape[-1] - 1) if self._of_tokens else (len(self.inputs), *one.shape[1:])
        )
        self.dtype = one.dtype
        if self.device.type != "cpu":
            self.part = copy.deepcopy(self.part).to(self.device)

    def write(self, target: Array, start: int = 0) -> Iterator[int]:
        """Write activations into ``target``, and yield how many contents are done after each batch.

        Args:
            target: array of ``shape`` and ``dtype``.
            start: contents that an earlier pass has written.

        Raises:
            EngineError: a single text finds no memory, or the device fails.
        """
        with engine_faults():
            for (first, last), states in self._results(start):
                found = states.to(self.dtype).numpy()
                rows, contents = self.distinct.places(first, last)
                if self._of_tokens:
                    self._put_tokens(target, found, rows, contents)
                else:
                    target[rows] = found[contents]
                if self.told:
                    self.told(int(self.distinct.starts[last]))
                yield last

    def _results(self, start: int) -> Iterator[tuple[tuple[int, int], Tensor]]:
        """Yield what contents give, from the first to before the last of each batch."""
        lane = lane_to(self.device)

        def read(batch: tuple[int, int]) -> Tensor:
            found = self.inputs[torch.from_numpy(self.distinct.first[slice(*batch)])]
            return lane.room(found.shape, found.dtype).copy_(found)

        compute = partial(in_portions, self.portions, self._run)
        return feed(lane, self._batches(start), read, compute, ahead=num_ahead(lane, _BATCH_BYTES))

    def _batches(self, start: int) -> Iterator[tuple[int, int]]:
        lengths = self.inputs.lengths[self.distinct.first]
        while start < len(self.distinct):
            stop = start + batch_of_texts(lengths[start:], self.most_rows)
            yield start, stop
            start = stop

    def rows_of(self, start: int, stop: int) -> Array:
        """Return the places in the array of what is written for contents ``start`` to ``stop``."""
        rows, _ = self.distinct.places(start, stop)
        return places(self.inputs.starts[rows], self.inputs.lengths[rows]) if self._of_tokens else rows

    def _put_tokens(self, target: Array, found: Array, rows: Array, contents: Array) -> None:
        """Write the states of texts, without their padding."""
        lengths = self.inputs.lengths[rows]
        real = np.arange(found.shape[1]) < lengths[:, None]
        target[places(self.inputs.starts[rows], lengths)] = found[contents][real][:, :-1]

    @torch.no_grad()
    def _run(self, batch: Tensor) -> Tensor:
        result: Tensor = self.part(batch, 0, len(self.part.blocks))
        return result
