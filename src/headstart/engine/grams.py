"""Inner products of every client's features: computed once for a stage, like the features themselves."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from headstart.core.arrays import Array
from headstart.engine.rows import MANY, RowTable
from headstart.models.model import Model
from headstart.training.client_data import Passes

MOST_BYTES = 256 * 2**20
"""Room that inner products of all clients may take; those of more clients are computed when they are needed."""

TRAFFIC, GEMM = 8, 1 / 8
"""What moving a number costs, and what a multiplication inside a large product costs, in single multiplications."""

LITTLE = 2**28
"""Multiplications, a few milliseconds' worth, that are not worth waiting for who takes part."""


class Grams:
    """Inner products, plus 1 for the intercept.

    Args:
        rows: whose.
        num_features: length of a feature vector.
        dtype: of the head.
    """

    def __init__(self, rows: RowTable, num_features: int, dtype: torch.dtype) -> None:
        self.rows, self.num_features, self.dtype = rows, num_features, dtype

    @cached_property
    def _kept(self) -> tuple[Tensor, Array] | None:
        """Room for all clients' products, and which are done; None where that would be too much."""
        clients = len(self.rows.clients)
        if clients > MANY:
            return None
        widest = self.rows.widest(np.arange(clients))
        if clients * widest**2 * self.dtype.itemsize > MOST_BYTES:
            return None
        # Memory that nobody writes to is never given out by the system.
        room = torch.empty(clients, widest, widest, dtype=self.dtype, device=self.rows.device)
        return room, np.zeros(clients, dtype=bool)

    def pay(self, positions: Array, passes: Passes, num_classes: int) -> bool:
        """Say whether training in dual form is cheaper than with batches, in multiplications per client."""
        size = self.rows.widest(positions)
        if len(positions) * size**2 * self.dtype.itemsize > MOST_BYTES:
            return False
        met = passes.steps * passes.batch_size if passes.steps is not None else passes.epochs * size
        once = 0.0 if self._kept is not None else size**2 * self.num_features * GEMM
        dual = 2 * size * self.num_features * num_classes + met * size * num_classes + once
        return dual < met * self.num_features * (2 * num_classes + TRAFFIC)

    def at(self, model: Model, positions: Array) -> Tensor:
        """Return the inner products of some clients' features, ``(clients, widest, widest)``."""
        if self._kept is None:
            return self._compute(model, positions)
        kept, done = self._kept
        if not done[positions].all():
            self._fill(model, kept, done, positions)
        widest, everyone = self.rows.widest(positions), np.array_equal(positions, np.arange(len(kept)))
        found = kept if everyone else kept.index_select(0, _as_index(positions, kept))
        return found[:, :widest, :widest]

    def _fill(self, model: Model, kept: Tensor, done: Array, positions: Array) -> None:
        """Compute what is missing; of all clients at once, where that is little."""
        everyone = np.arange(len(kept))
        asked = everyone if kept.numel() * self.num_features < LITTLE else positions
        missing = asked[~done[asked]]
        found = self._compute(model, missing)
        if len(missing) == len(kept):
            kept.copy_(found)
        else:
            kept[_as_index(missing, kept), : found.shape[1], : found.shape[1]] = found
        done[missing] = True

    def _compute(self, model: Model, positions: Array) -> Tensor:
        features = self.rows.take(model, positions).to(self.dtype)
        return torch.bmm(features, features.mT).add_(1)


def _as_index(positions: Array, like: Tensor) -> Tensor:
    """Return positions as an index into a tensor."""
    return torch.from_numpy(positions).to(like.device)
