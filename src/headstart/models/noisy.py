"""The gradient of a batch that hides its examples: each one's is shortened, and noise is put on their sum.

Abadi, Chu, Goodfellow, McMahan, Mironov, Talwar, Zhang: Deep Learning with Differential Privacy. CCS 2016.
https://arxiv.org/abs/1607.00133 (Algorithm 1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.func import grad, vmap

from headstart.core import trees
from headstart.core.trees import Params
from headstart.models.batch import Batch, NoisyStep

_ROOM = 2**28
"""Bytes that gradients of single examples may take at once."""

Slope = Callable[[Tensor, Tensor, Tensor], Tensor]
"""``slope(scores, truth, weights)`` of the weighted mean loss, with respect to the scores."""

Loss = Callable[[Params, Tensor, Tensor, Tensor], Tensor]
"""``loss(params, inputs, truth, weights)`` of one client's batch."""


def noisy_head_gradient(
    params: Params, batch: Batch, step: NoisyStep, slope: Slope, logits: Callable[[Params, Tensor], Tensor]
) -> Params:
    """Return a linear head's: an example's is its slope times ``[features, 1]``, whose norm needs no product.

    Args:
        params: one head, or a stack.
        batch: of one client, or of a stack.
        step: how it hides examples.
        slope: of the loss.
        logits: ``logits(params, features)``.
    """
    features, there = batch.inputs.to(params["head.weight"].dtype), (batch.weights > 0).to(params["head.weight"].dtype)
    # The slope of a mean, times how many it is of: each example's own.
    residual = slope(logits(params, features), batch.labels, there) * there.sum(-1)[..., None, None]
    norms = residual.norm(dim=-1) * (features.square().sum(-1) + 1).sqrt()
    residual = residual * _factors(norms, step.clip).unsqueeze(-1)
    return _released({"head.weight": residual.mT @ features, "head.bias": residual.sum(-2)}, step)


def noisy_gradient(params: Params, still: Params, batch: Batch, step: NoisyStep, loss: Loss) -> Params:
    """Return a deeper cut's, from gradients of a few examples at a time.

    Args:
        params: what moves, of one client or of a stack.
        still: what else the loss depends on, likewise.
        batch: of one client, or of a stack.
        step: how it hides examples.
        loss: of one client's batch.
    """

    def alone(weights: Params, fixed: Params, inputs: Tensor, truth: Tensor) -> Tensor:
        whole = {**fixed, **weights}
        return loss(whole, inputs[None], truth[None], torch.ones_like(batch.weights.flatten()[:1]))

    each = vmap(grad(alone), in_dims=(None, None, 0, 0))
    if batch.is_stack:
        each = vmap(each)
    total = trees.zeros_like(params)
    for inputs, truth, weights in _parts(params, batch):
        found = each(params, still, inputs, truth)
        factors = _factors(_norms(found, weights.dim()), step.clip) * (weights > 0)
        for name, value in found.items():
            total[name] += _weighted(value, factors.to(value.dtype))
    return _released(total, step)


def _released(total: Params, step: NoisyStep) -> Params:
    """Return a sum under noise, divided by the size that the batch was expected to have."""
    noise = step.noise(total)
    return {name: (value + noise[name]) / _like(step.expected, value) for name, value in total.items()}


def _factors(norms: Tensor, clip: float) -> Tensor:
    """Return what shortens to the clip, 1 where nothing is longer."""
    factors: Tensor = clip / norms.clamp_min(clip)
    return factors


def _norms(found: Params, leading: int) -> Tensor:
    """Return the norm of every example's gradient, over all its tensors; ``([clients,] examples)``."""
    each = [torch.linalg.vector_norm(value.flatten(leading), dim=-1) for value in found.values()]
    norms: Tensor = torch.linalg.vector_norm(torch.stack(each), dim=0)
    return norms


def _weighted(value: Tensor, factors: Tensor) -> Tensor:
    """Add up examples ``([clients,] examples, …)``, each times its factor."""
    examples = value.flatten(factors.dim())
    summed = (factors.unsqueeze(-2) @ examples).squeeze(-2)
    found: Tensor = summed.reshape(value.shape[: factors.dim() - 1] + value.shape[factors.dim() :])
    return found


def _parts(params: Params, batch: Batch) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield inputs, truth and weights of as many examples as there is room for."""
    axis, size = batch.weights.dim() - 1, max(1, _ROOM // max(1, trees.num_bytes(params)))
    pieces = (torch.split(one, size, dim=axis) for one in (batch.inputs, batch.labels, batch.weights))
    for part in zip(*pieces, strict=True):
        if part[2].numel():
            yield part


def _like(numbers: Tensor, value: Tensor) -> Tensor:
    return numbers.to(value.dtype).reshape(numbers.shape + (1,) * (value.dim() - numbers.dim()))
