"""Data that nobody holds: examples that were made, served to methods as a client's are."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

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
        """Yield shuffled minibatches; ``balance`` changes nothing, since classes are of one size."""
        epochs = range(passes.epochs) if passes.steps is None else itertools.count()
        return itertools.islice(self._endless(model, passes, epochs), passes.steps)

    def _endless(self, model: Model, passes: Passes, epochs: Iterable[int]) -> Iterator[Batch]:
        count = passes.draws + (model.network.num_features if passes.feature_draws else 0)
        for epoch in epochs:
            generator = torch_generator(*self.key, passes.stream, epoch)
            order = torch.randperm(len(self.labels), generator=generator)
            for rows in torch.split(order, passes.batch_size):
                draws = torch.rand((len(rows), count), generator=generator).to(self.labels.device) if count else None
                yield replace(self._batch(model, rows), draws=draws)

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
