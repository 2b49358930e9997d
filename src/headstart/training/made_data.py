"""Data that nobody holds: examples that were made, served to methods as a client's are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from headstart.core.seeds import Key, torch_generator
from headstart.core.trees import Params
from headstart.models.batch import Batch
from headstart.models.model import Model
from headstart.training.client_data import Passes


@dataclass(frozen=True, eq=False)
class MadePictures:
    """Pictures and their classes, in batches of the size that a network reads.

    Attributes:
        pictures: ``(examples, channels, height, width)`` uint8, as small as they were made.
        labels: ``(examples,)`` int64.
        size: height and width at which batches show them.
        key: with a pass's stream it fixes the order.
    """

    pictures: Tensor
    labels: Tensor
    size: tuple[int, int]
    key: tuple[Key, ...]

    def batches(self, model: Model, passes: Passes) -> Iterator[Batch]:
        """Yield shuffled minibatches; ``passes.steps`` and ``balance`` are left aside: classes are of one size."""
        for epoch in range(passes.epochs):
            order = torch.randperm(len(self.labels), generator=torch_generator(*self.key, passes.stream, epoch))
            for rows in torch.split(order, passes.batch_size):
                yield self._batch(model, rows)

    def everything(self, model: Model) -> Batch:
        """Return all examples as one batch."""
        return self._batch(model, torch.arange(len(self.labels)))

    def dual_passes(self, model: Model, params: Params, passes: Passes) -> None:
        """Return nothing: networks train with batches."""

    def _batch(self, model: Model, rows: Tensor) -> Batch:
        rows = rows.to(self.labels.device)
        shown = self.pictures[rows]
        if shown.shape[-2:] != self.size:
            shown = functional.interpolate(shown, self.size, mode="nearest")
        weights = torch.ones(len(rows), device=rows.device)
        return Batch(model.activations(shown), self.labels[rows], weights, full=True)
