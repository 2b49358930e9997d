"""Normalisation layers: which a network has, and a client's own statistics put into their scales and shifts.

A frozen BatchNorm computes ``g (x - m) / s + b``. With a client's own mean ``m'`` and deviation ``s'`` it would compute
``g (x - m') / s' + b``, which is the first with ``g' = g s / s'`` and ``b' = b + g (m - m') / s'``: statistics that
change are weights that change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from headstart.core import trees
from headstart.core.trees import Params
from headstart.models.batch import Batch
from headstart.models.model import Model
from headstart.models.normalization import BatchNorm

_Norm = BatchNorm | nn.GroupNorm | nn.LayerNorm


def batch_norms(model: Model) -> tuple[str, ...]:
    """Return names of the BatchNorms above the cut that keep statistics, and whose scale and shift train."""
    return tuple(name for name, module in _norms(model) if isinstance(module, BatchNorm) and module.track_running_stats)


def norm_weights(model: Model) -> tuple[str, ...]:
    """Return names of the scales and shifts of all normalisation layers above the cut."""
    return tuple(f"{name}.{part}" for name, _ in _norms(model) for part in ("weight", "bias"))


def _norms(model: Model) -> Iterator[tuple[str, nn.Module]]:
    weights = model.trainable
    for name, module in model.network.named_modules():
        if isinstance(module, _Norm) and {f"{name}.weight", f"{name}.bias"} <= weights.keys():
            yield name, module


def with_own_statistics(model: Model, params: Params, batches: Iterable[Batch], source_weight: float) -> Params:
    """Return parameters whose BatchNorms normalise by the statistics of these batches; labels are not looked at.

    Every layer reads what the layers below make of the batch with its statistics.

    Args:
        model: with BatchNorms above its cut.
        params: of one client, or of a stack.
        batches: one pass over the examples.
        source_weight: examples for which the statistics that a layer comes with count.
    """
    seen = list(batches)
    if params["head.bias"].dim() == 1:
        return _of_one(model, params, [batch.inputs for batch in seen], source_weight)
    own = (
        _of_one(model, trees.unstack(params, i), [b.inputs[i][b.weights[i] > 0] for b in seen], source_weight)
        for i in range(len(params["head.bias"]))
    )
    return trees.stack(list(own))


def _of_one(model: Model, params: Params, inputs: Sequence[Tensor], source_weight: float) -> Params:
    with _watched(model, source_weight) as watched, torch.no_grad():
        weights = model.weights(params)
        for some in inputs:
            if len(some):
                functional_call(model.network, weights, (some, model.cut, model.network.depth), tie_weights=False)
    folded = {name: value for one in watched for name, value in one.folded(weights).items()}
    return {**params, **folded}


@contextmanager
def _watched(model: Model, source_weight: float) -> Iterator[list[_Watched]]:
    """Have every BatchNorm normalise a batch by its own statistics, and write them down."""
    watched = [_Watched(name, model.network.get_submodule(name), source_weight) for name in batch_norms(model)]
    hooks = [one.norm.register_forward_hook(one.renormalised) for one in watched]
    try:
        yield watched
    finally:
        for hook in hooks:
            hook.remove()


@dataclass
class _Watched:
    """A BatchNorm, and sums over what it has read: means and mean squares, by number of examples."""

    name: str
    norm: Any
    source_weight: float
    count: int = 0
    sums: list[Tensor] = field(default_factory=list)

    def renormalised(self, norm: Any, arguments: tuple[Tensor, ...], _: Tensor) -> Tensor:
        """Return what the layer makes of a batch with its own statistics."""
        (read,) = arguments
        axes = [axis for axis in range(read.dim()) if axis != 1]
        mean, variance = read.mean(axes), read.var(axes, correction=0)
        self._add(len(read), mean.double(), variance.double())
        mean, variance = self._mixed(len(read), mean, variance, norm.running_mean, norm.running_var)
        return functional.batch_norm(read, mean, variance, norm.weight, norm.bias, training=False, eps=norm.eps)

    def folded(self, weights: Params) -> Params:
        """Return the scale and the shift that stand for the statistics of all batches; none without examples."""
        if not self.count:
            return {}
        first, second = (total / self.count for total in self.sums)
        scale, shift, mean, variance = (
            weights[f"{self.name}.{part}"].double() for part in ("weight", "bias", "running_mean", "running_var")
        )
        own_mean, own_variance = self._mixed(self.count, first, (second - first**2).clamp_min(0), mean, variance)
        own_scale = scale / (own_variance + self.norm.eps).sqrt()
        new = {"weight": own_scale * (variance + self.norm.eps).sqrt(), "bias": shift + own_scale * (mean - own_mean)}
        return {f"{self.name}.{part}": value.to(weights[f"{self.name}.{part}"].dtype) for part, value in new.items()}

    def _add(self, count: int, mean: Tensor, variance: Tensor) -> None:
        found = [count * mean, count * (variance + mean**2)]
        self.sums = [old + new for old, new in zip(self.sums, found, strict=True)] if self.sums else found
        self.count += count

    def _mixed(
        self, count: int, mean: Tensor, variance: Tensor, old_mean: Tensor, old_variance: Tensor
    ) -> tuple[Tensor, Tensor]:
        share = count / (count + self.source_weight)
        return torch.lerp(old_mean, mean, share), torch.lerp(old_variance, variance, share)
