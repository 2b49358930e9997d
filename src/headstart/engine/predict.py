"""Predictions of shared and of personal parameters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from headstart.core import trees
from headstart.core.trees import Params, Tree
from headstart.data.examples import Array
from headstart.engine.activations import Activations
from headstart.engine.padding import split
from headstart.models.model import Model, head_logits

BATCH = 512
"""Examples per forward pass."""


@torch.no_grad()
def predict(model: Model, params: Params, activations: Activations, indices: Array) -> Array:
    """Return class probabilities ``(len(indices), classes)`` of one set of parameters, float64."""
    inputs = activations.at(model)
    params = model.arranged(params)
    found = np.zeros((len(indices), model.network.num_classes))
    for some in split(inputs, indices, BATCH):
        rows = torch.from_numpy(indices[some]).to(inputs.device)
        found[some] = _probabilities(model.logits(params, inputs[rows]))
    return found


@torch.no_grad()
def predict_stack(model: Model, stack: Tree, activations: Activations, indices: Sequence[Array]) -> list[Array]:
    """Return each client's class probabilities on its own list of examples.

    Args:
        model: where the parameters belong.
        stack: parameters of several clients.
        activations: of the federation's examples.
        indices: one array per client of the stack; lengths may differ.
    """
    if not model.is_head_only or len(indices) == 1:
        return [predict(model, trees.unstack(stack, i), activations, rows) for i, rows in enumerate(indices)]
    features = features_of(activations, model)
    if all(rows is indices[0] for rows in indices):
        return list(_probabilities(head_logits(stack, features[torch.from_numpy(indices[0]).to(features.device)])))
    return _predict_heads(stack, features, indices)


def features_of(activations: Activations, model: Model) -> Tensor:
    """Return the features that a head reads, ``(examples, features)``."""
    features = activations.at(model)
    assert isinstance(features, Tensor), "a head reads one row of numbers per example"
    return features


def _predict_heads(stack: Tree, features: Tensor, indices: Sequence[Array]) -> list[Array]:
    """Gather all clients' rows at once, and give each head its part: padding would cost more than the loop."""
    weights, biases = stack["head.weight"], stack["head.bias"]
    sizes = [len(rows) for rows in indices]
    rows = torch.from_numpy(np.concatenate(indices)).to(features.device)
    parts = features.index_select(0, rows).to(weights.dtype)
    heads = zip(weights, biases, torch.split(parts, sizes), strict=True)
    found = _probabilities(torch.cat([torch.addmm(bias, part, weight.mT) for weight, bias, part in heads]))
    return np.split(found, np.cumsum(sizes)[:-1])


def _probabilities(logits: Tensor) -> Array:
    probabilities: Array = torch.softmax(logits.double(), dim=-1).cpu().numpy()
    return probabilities
