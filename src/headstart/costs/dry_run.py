"""A dry run: one client's work on dummy examples, watched, instead of a formula per method.

A method asks its data for batches. The dry run serves the first steps of each phase at their real size and
counts the rest at the FLOPs of the last step served: all steps of a phase are alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from headstart.core.trees import Params
from headstart.costs.counting import Flops
from headstart.costs.memory import LiveBytes
from headstart.models.batch import Batch
from headstart.models.model import Model
from headstart.training.client_data import Passes

SERVED_STEPS = 2
"""Steps per phase that are really taken; the second has the optimiser's state in memory."""


@dataclass(frozen=True)
class Work:
    """What one client's work took.

    Attributes:
        flops: floating-point operations (a multiply-add counts two), frozen parts aside.
        frozen_flops: FLOPs per example of each frozen part that was used, by its key.
        peak_bytes: most bytes of tensors alive at once, the weights that it was given aside.
        result: what the work returned.
    """

    flops: int
    frozen_flops: dict[str, int]
    peak_bytes: int
    result: Any


@dataclass
class DummyClient:
    """A client's data with examples of zeros.

    Attributes:
        raw: one raw example, ``(1, …)``.
        num_examples: examples of the client, at least 1.
        flops_so_far: reads the running FLOP count.
        skipped_flops: FLOPs of the steps that were not served.
        frozen_flops: FLOPs per example of each frozen part that was used, by its key.
    """

    raw: Tensor
    num_examples: int
    flops_so_far: Callable[[], int] = lambda: 0
    skipped_flops: float = 0.0
    frozen_flops: dict[str, int] = field(default_factory=dict)
    _activations: dict[str, Tensor] = field(default_factory=dict)

    def batches(self, model: Model, passes: Passes) -> Iterator[Batch]:
        """Yield the first steps at their real size; count the rest."""
        size = min(passes.batch_size, self.num_examples)
        due = passes.epochs * self.num_examples if passes.steps is None else passes.steps * size
        step_flops = served = 0
        while served < due and served < SERVED_STEPS * size:
            batch, before = self._batch(model, size, _num_draws(model, passes)), self.flops_so_far()
            yield batch
            step_flops, served = self.flops_so_far() - before, served + size
        # Negative where the last step that was served is larger than a client's last step really is.
        self.skipped_flops += step_flops / size * (due - served)

    def dual_passes(self, model: Model, params: Params, passes: Passes) -> None:
        """Return nothing: a real client trains with batches."""

    def everything(self, model: Model) -> Batch:
        """Return all examples."""
        return self._batch(model, self.num_examples)

    def _batch(self, model: Model, size: int, draws: int = 0) -> Batch:
        example = self._activation(model)
        labels = model.network.loss.any_truth(size, model.network.num_classes).to(example.device)
        weights = torch.ones(size, device=example.device)
        numbers = torch.full((size, draws), 0.5, device=example.device) if draws else None
        return Batch(example.repeat(size, *(1,) * (example.dim() - 1)), labels, weights, full=True, draws=numbers)

    def _activation(self, model: Model) -> Tensor:
        """Return one example's activations at the cut, ``(1, …)``; a client computes them once."""
        key = model.frozen_key
        if key not in self._activations:
            before = self.flops_so_far()
            self._activations[key] = model.activations(self.raw)
            self.frozen_flops[key] = self.flops_so_far() - before
            self.skipped_flops -= self.frozen_flops[key]
        return self._activations[key]


def _num_draws(model: Model, passes: Passes) -> int:
    return passes.draws + (model.network.num_features if passes.feature_draws else 0)


def dry_run(
    work: Callable[[DummyClient], Any],
    raw: Tensor,
    *,
    num_examples: int,
    weights: Mapping[str, Tensor],
    received: Mapping[str, Tensor] | None = None,
) -> Work:
    """Do ``work`` on a dummy client and watch it.

    Args:
        work: a client's half of a method, as a function of its data.
        raw: one raw example, ``(1, …)``.
        num_examples: examples that the client trains on.
        weights: tensors that exist before the work begins, left out of ``peak_bytes``.
        received: what the client holds besides; it counts.
    """
    flops, memory = Flops(), LiveBytes(weights, received)
    client = DummyClient(raw, max(num_examples, 1), lambda: flops.total)
    with flops, memory:
        result = work(client)
    total = round(flops.total + client.skipped_flops)
    return Work(total, client.frozen_flops, memory.peak, result)
