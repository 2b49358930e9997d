"""Predictions of shared and of personal parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from headstart.core import trees
from headstart.core.trees import Params, Tree
from headstart.data.examples import Array
from headstart.engine.activations import Activations
from headstart.models.model import Model

BATCH = 512
"""Examples per forward pass."""


@torch.no_grad()
def predict(model: Model, params: Params, activations: Activations, indices: Array) -> Array:
    """Return class probabilities ``(len(indices), classes)`` of one set of parameters, float64."""
    inputs = activations.at(model)
    parts = [
        _probabilities(model.logits(params, inputs[torch.from_numpy(indices[start : start + BATCH])]))
        for start in range(0, len(indices), BATCH)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, model.network.num_classes))


@torch.no_grad()
def predict_stack(model: Model, stack: Tree, activations: Activations, indices: Sequence[Array]) -> list[Array]:
    """Return each client's class probabilities on its own list of examples.

    Args:
        model: where the parameters belong.
        stack: parameters of several clients.
        activations: of the federation's examples.
        indices: one array per client of the stack; lengths may differ.
    """
    if model.is_head_only and len(indices) > 1:
        return list(_predict_heads(stack, activations.at(model), indices))
    return [predict(model, trees.unstack(stack, i), activations, rows) for i, rows in enumerate(indices)]


def _predict_heads(stack: Tree, features: Tensor, indices: Sequence[Array]) -> Iterator[Array]:
    """One product per client without padding: evaluation is one pass, so gathering costs more than the loop."""
    weights, biases = stack["head.weight"], stack["head.bias"]
    for weight, bias, rows in zip(weights, biases, indices, strict=True):
        yield _probabilities(torch.addmm(bias, features[torch.from_numpy(rows)].to(weight.dtype), weight.mT))


def _probabilities(logits: Tensor) -> Array:
    probabilities: Array = torch.softmax(logits.double(), dim=-1).numpy()
    return probabilities
