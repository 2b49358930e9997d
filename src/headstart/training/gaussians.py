"""Features drawn from Gaussians, as data that a head trains on where no examples are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice

import torch
from torch import Tensor

from headstart.core.seeds import torch_generator
from headstart.core.trees import Params
from headstart.models.batch import Batch
from headstart.models.model import Model
from headstart.training.client_data import ClientData, Passes


@dataclass(frozen=True, eq=False)
class Gaussians(ClientData):
    """Examples that are drawn from Gaussians: what a server has for data.

    Attributes:
        means: ``(gaussians, features)``.
        deviations: the same shape, or ``(gaussians, 1)``.
        labels: class of each, ``(gaussians,)``.
        counts: draws of each in a pass, ``(gaussians,)``.
    """

    means: Tensor
    deviations: Tensor
    labels: Tensor
    counts: Tensor

    def batches(self, model: Model, passes: Passes) -> Iterator[Batch]:  # noqa: ARG002
        """Yield shuffled minibatches; the same for equal Gaussians, whatever has been drawn before."""
        return islice(self._passes(passes, torch_generator("gaussians", passes.stream)), passes.steps)

    def everything(self, model: Model) -> Batch:  # noqa: ARG002
        """Return one pass in order."""
        passes = Passes(batch_size=int(self.counts.sum()))
        return self._draw(self._each, passes, torch_generator("gaussians", "everything"))

    def dual_passes(self, model: Model, params: Params, passes: Passes) -> None:
        """Return nothing: draws of two passes differ."""

    def _passes(self, passes: Passes, generator: torch.Generator) -> Iterator[Batch]:
        for _ in range(passes.epochs) if passes.steps is None else count():
            for chosen in torch.split(self._order(passes, generator), passes.batch_size):
                yield self._draw(chosen, passes, generator)

    @property
    def _each(self) -> Tensor:
        return torch.arange(len(self.counts)).repeat_interleave(self.counts.cpu().long())

    def _order(self, passes: Passes, generator: torch.Generator) -> Tensor:
        """Return a pass's Gaussians, shuffled; or drawn so that classes are as frequent."""
        if passes.balance == "sampling":
            weights = (self.counts * self._balanced).cpu()
            return torch.multinomial(weights, int(self.counts.sum()), replacement=True, generator=generator)
        return self._each[torch.randperm(len(self._each), generator=generator)]

    def _draw(self, chosen: Tensor, passes: Passes, generator: torch.Generator) -> Batch:
        noise = torch.randn(len(chosen), self.means.shape[-1], dtype=torch.float64, generator=generator)
        chosen = chosen.to(self.means.device)
        inputs = self.means[chosen] + self.deviations[chosen] * noise.to(self.means.device)
        weights = self._balanced[chosen] if passes.balance == "loss" else torch.ones_like(inputs[:, 0])
        return Batch(inputs.float(), self.labels[chosen], weights.float(), full=True)

    @property
    def _balanced(self) -> Tensor:
        """Return for each Gaussian the weight with which classes count alike, 1 on average over the draws."""
        of_class = torch.zeros(int(self.labels.max()) + 1).to(self.counts).index_add(0, self.labels, self.counts)
        return self.counts.sum() / ((of_class > 0).sum() * of_class[self.labels])
