"""What a step keeps in memory."""

from __future__ import annotations

import torch
from torch import Tensor

from headstart.models.model import Model


def bytes_kept(model: Model, inputs: Tensor, dtype: torch.dtype) -> int:
    """Return the bytes of activations that a client of a stack keeps of an example for its gradient, weights aside.

    Args:
        model: what trains.
        inputs: activations at its cut, ``(batch, …)``; two or more, since one shows not whether clients are mixed.
        dtype: of the weights.
    """
    stack = {
        name: torch.zeros((1, *value.shape), dtype=dtype, device=inputs.device, requires_grad=True)
        for name, value in model.trainable.items()
    }
    kept: dict[int, int] = {}

    def keep(value: Tensor) -> Tensor:
        kept[value.untyped_storage().data_ptr()] = value.untyped_storage().nbytes()
        return value

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        model.logits(stack, inputs.unsqueeze(0))
    weights = {value.untyped_storage().data_ptr() for value in (*stack.values(), *model.frozen.values())}
    return sum(size for storage, size in kept.items() if storage not in weights) // len(inputs)
