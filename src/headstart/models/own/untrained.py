"""Whether a module's weights are those that PyTorch draws for new layers, so that nothing was learnt yet."""

from __future__ import annotations

import math

from torch import Tensor, nn

from headstart.models.normalization import BatchNorm

_NEW = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
"""Layers whose new weights are uniform within one over the square root of a unit's inputs."""


def looks_untrained(module: nn.Module) -> bool:
    """Say whether no BatchNorm ever saw a batch, or, without any, no weight left the range that it was drawn from.

    >>> layer = nn.Linear(4, 2)
    >>> looks_untrained(layer), looks_untrained(layer.apply(lambda one: nn.init.constant_(one.weight, 9.0)))
    (True, False)
    """
    norms = [part for part in module.modules() if isinstance(part, BatchNorm)]
    seen = [int(norm.num_batches_tracked) for norm in norms if norm.num_batches_tracked is not None]
    if seen:
        return not any(seen) and _has_new_statistics(module)
    layers = [part for part in module.modules() if isinstance(part, _NEW)]
    return bool(layers) and all(_is_new(layer) for layer in layers)


def _has_new_statistics(module: nn.Module) -> bool:
    """Old files lack the count of batches: their statistics tell."""
    means = [value for name, value in module.named_buffers() if name.endswith("running_mean")]
    return not any(bool(value.any()) for value in means)


def _is_new(layer: nn.Module) -> bool:
    weight: Tensor = layer.weight  # type: ignore[assignment]
    bound = 1 / math.sqrt(max(1, weight[0].numel()))
    # Of a few weights none need come near the bound.
    low = bound * (1 - 30 / weight.numel())
    return bool(low <= weight.detach().abs().max() <= bound * 1.000001)
