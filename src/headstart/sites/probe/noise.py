"""Noise on sums over examples, added by each client before anything leaves.

The Gaussian mechanism (Dwork, Roth: The Algorithmic Foundations of Differential Privacy, 2014, section 3.5.3) for
adding or removing one example; what it promises is in the ledger. Rows are clipped, so that one example changes
``Z'Z`` by at most ``bound**2``, ``Z'Y`` by ``bound``, the counts by 1: together, for those that leave, by the root of
the sum of their squares.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from headstart.core.trees import Params, Tree, map_tree
from headstart.models.batch import Batch
from headstart.models.model import Model
from headstart.sites.randomness import system_noise
from headstart.sites.refusals import Refused
from headstart.training.client_data import ClientData, DualPasses, Passes


def clip_rows(features: Tensor, bound: float) -> Tensor:
    """Scale rows ``(examples, features)`` down to where ``[row, 1]`` is at most ``bound`` long; ``bound`` is above 1.

    >>> import torch
    >>> clip_rows(torch.tensor([[3.0, 4.0], [0.1, 0.0]]), 2**0.5)
    tensor([[0.6000, 0.8000],
            [0.1000, 0.0000]])
    """
    limit = math.sqrt(bound**2 - 1)
    shrink: Tensor = (limit / features.norm(dim=-1, keepdim=True).clamp_min(1e-12)).clamp_max(1.0)
    return features * shrink


@dataclass(frozen=True)
class _Clipped:
    """A client's data whose rows are no longer than a bound."""

    data: ClientData
    bound: float

    def batches(self, model: Model, passes: Passes) -> Iterator[Batch]:
        """Yield minibatches of clipped rows."""
        return map(self._clip, self.data.batches(model, passes))

    def everything(self, model: Model) -> Batch:
        """Return all examples, clipped."""
        return self._clip(self.data.everything(model))

    def dual_passes(self, model: Model, params: Params, passes: Passes) -> DualPasses | None:  # noqa: ARG002
        """Take the usual way: the other's inner products are those of rows that are not clipped."""
        return None

    def _clip(self, batch: Batch) -> Batch:
        return replace(batch, inputs=clip_rows(batch.inputs, self.bound))


def clipped(data: ClientData, bound: float | None) -> ClientData:
    """Return a client's data with rows no longer than a bound; as they are where there is none."""
    return data if bound is None else _Clipped(data, bound)


_POWERS: Mapping[str, int] = {"gram": 2, "second_moment": 2, "moment": 1, "sums": 1, "counts": 0}
"""By how much one example of length ``bound`` changes a sum: this power of it."""


def _sensitivity(names: Iterable[str], bound: float) -> float:
    """Return by how much one example changes sums of these names, in Euclidean norm.

    An example is in one part alone, so that ``train/gram`` and ``val/gram`` count once.

    Raises:
        Refused: nobody has worked out by how much an example changes one of them.
    """
    kinds = {name.rpartition("/")[2] for name in names}
    if unknown := sorted(kinds - _POWERS.keys()):
        raise Refused(f"noise: there is no bound on what one example adds to the sum '{unknown[0]}', so it stays here")
    return math.sqrt(sum(bound ** (2 * _POWERS[kind]) for kind in kinds))


def deviation(names: Iterable[str], noise: float, bound: float) -> float:
    """Return the standard deviation of the noise on every number of sums of these names, of ``noise`` sensitivities.

    Raises:
        Refused: it is not known how large noise must be on one of the sums.

    >>> deviation(["new"], 0.0, 10.0), round(deviation(["gram", "moment", "counts"], 1.0, 10.0), 1)
    (0.0, 100.5)
    """
    return noise * _sensitivity(names, bound) if noise else 0.0


def add_noise(sums: Tree, noise: float, bound: float) -> Tree:
    """Add Gaussian noise of ``noise`` times the sensitivity to every number; drawn from the system's randomness.

    Raises:
        Refused: it is not known how large noise must be on one of the sums.
    """
    scale = deviation(sums, noise, bound)
    return map_tree(lambda value: value + system_noise(value, scale), sums)
