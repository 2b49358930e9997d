"""Predictions of shared and of personal parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from headstart.adapt.protocol import Remembers
from headstart.core import trees
from headstart.core.arrays import Array
from headstart.core.faults import Portions
from headstart.core.trees import Params, Tree
from headstart.engine.features.activations import Activations
from headstart.engine.features.host_rows import HostRows
from headstart.engine.features.padding import Inputs, RaggedTensor, split
from headstart.engine.rows import take
from headstart.models.heads import head_logits
from headstart.models.model import Model

BATCH = 512
"""Examples per forward pass."""

FEW = 64
"""Examples of a client that fill a batch of its own."""

ADAPTER_BYTES = 2**26
"""Memory for the adapters of a batch whose examples each have their client's."""

MOST_NUMBERS = 2**24
"""Numbers that predictions from memories may hold at once: features of examples and distances to the remembered."""


@torch.no_grad()
def predict(
    model: Model, params: Params, activations: Activations, indices: Array, *, batch_size: int = BATCH
) -> Array:
    """Return predictions of one set of parameters, such as class probabilities, ``(len(indices), outputs)`` float64.

    A batch that finds no memory is halved, and so are those after it.
    """
    inputs = activations.at(model)
    params = model.arranged(params)
    found = np.zeros((len(indices), model.network.num_classes))
    portions = Portions()

    def work(some: Array) -> Array:
        rows = torch.from_numpy(indices[some]).to(inputs.device)
        return _predictions(model, model.logits(params, inputs[rows]))

    for batch in split(inputs, indices, batch_size):
        for some, predictions in portions.each(work, batch):
            found[some] = predictions
    return found


@torch.no_grad()
def predict_stack(
    model: Model,
    stack: Tree,
    activations: Activations,
    indices: Sequence[Array],
    *,
    adapter_bytes: int = ADAPTER_BYTES,
) -> list[Array]:
    """Return each client's predictions on its own list of examples.

    Args:
        model: where the parameters belong.
        stack: parameters of several clients.
        activations: of the federation's examples.
        indices: one array per client of the stack; lengths may differ.
        adapter_bytes: that adapters of one batch's clients may take.
    """
    if _in_rows(model, stack, activations, indices):
        most = max(1, min(BATCH, adapter_bytes * len(indices) // trees.num_bytes(stack)))
        return _predict_rows(model, stack, activations, indices, most)
    if not model.is_head_only or len(indices) == 1:
        return [predict(model, trees.unstack(stack, i), activations, rows) for i, rows in enumerate(indices)]
    features = features_of(activations, model)
    if all(rows is indices[0] for rows in indices):
        some = torch.from_numpy(indices[0]).to(features.device)
        return list(_predictions(model, head_logits(stack, features[some])))
    return _predict_heads(model, stack, features, indices)


def _in_rows(model: Model, stack: Tree, activations: Activations, indices: Sequence[Array]) -> bool:
    """Say whether clients with adapters of their own have too few examples each to fill a batch."""
    if not model.adapters or not 1 < len(indices) < sum(map(len, indices)) < len(indices) * FEW:
        return False
    return model.is_one_batch(stack, activations.few(model, 4).unsqueeze(1))


def _predict_rows(
    model: Model, stack: Tree, activations: Activations, indices: Sequence[Array], most: int
) -> list[Array]:
    """Put examples of all clients into one batch, and beside each its client's adapters."""
    rows, sizes = np.concatenate(indices), [len(own) for own in indices]
    owners, inputs = np.repeat(np.arange(len(sizes)), sizes), activations.at(model)
    found = np.zeros((len(rows), model.network.num_classes))
    portions = Portions()

    def work(some: Array) -> Array:
        at, of = (torch.from_numpy(each[some]).to(inputs.device) for each in (rows, owners))
        return _predictions(model, model.logits(trees.take(stack, of), inputs[at].unsqueeze(1)).squeeze(1))

    for batch in split(inputs, rows, most):
        for some, predictions in portions.each(work, batch):
            found[some] = predictions
    return np.split(found, np.cumsum(sizes)[:-1])


def features_of(activations: Activations, model: Model) -> Tensor | HostRows:
    """Return the features that a head reads, ``(examples, features)``."""
    features = activations.at(model)
    assert not isinstance(features, RaggedTensor), "a head reads one row of numbers per example"
    return features


def _predict_heads(model: Model, stack: Tree, features: Tensor | HostRows, indices: Sequence[Array]) -> list[Array]:
    """Gather all clients' rows at once, and give each head its part: padding would cost more than the loop."""
    weights, biases = stack["head.weight"], stack["head.bias"]
    sizes = [len(rows) for rows in indices]
    rows = torch.from_numpy(np.concatenate(indices)).to(features.device)
    parts = take(features, rows).to(weights.dtype)
    heads = zip(weights, biases, torch.split(parts, sizes), strict=True)
    found = _predictions(model, torch.cat([torch.addmm(bias, part, weight.mT) for weight, bias, part in heads]))
    return np.split(found, np.cumsum(sizes)[:-1])


def _predictions(model: Model, scores: Tensor) -> Array:
    predictions: Array = model.network.loss.predictions(scores.double()).cpu().numpy()
    return predictions


@dataclass(frozen=True, eq=False)
class Predictor:
    """Several clients, ready to predict.

    Attributes:
        model: where the parameters belong.
        stack: their parameters.
        activations: of the federation's examples.
        method: how they predict; None predicts with the parameters alone.
        memory: what they keep of their data, stacked; empty without a ``method``.
        most_numbers: that predictions from memories may hold at once.
    """

    model: Model
    stack: Tree
    activations: Activations
    method: Remembers | None = None
    memory: Tree = field(default_factory=dict)
    most_numbers: int = MOST_NUMBERS

    def predict(self, members: Array, indices: Sequence[Array]) -> list[Array]:
        """Return predictions of some of the clients, each on its own list of examples."""
        labels = self.activations.labels
        some = torch.from_numpy(members).to(labels.device)
        everyone = len(members) == len(next(iter(self.stack.values())))
        stack, memory = (tree if everyone else trees.take(tree, some) for tree in (self.stack, self.memory))
        if self.method is None:
            return predict_stack(self.model, stack, self.activations, indices)
        features = features_of(self.activations, self.model)
        per_client = features[0].numel() + max(value.shape[1] for value in memory.values())
        columns = max(1, self.most_numbers // (len(members) * per_client))
        return _predict_remembering(self.method, self.model, stack, memory, features, indices, columns)


@torch.no_grad()
def _predict_remembering(
    method: Remembers, model: Model, stack: Tree, memory: Tree, inputs: Inputs, indices: Sequence[Array], width: int
) -> list[Array]:
    """Predict on padded examples, ``width`` columns at a time."""
    sizes = np.array([len(rows) for rows in indices])
    padded = np.zeros((len(sizes), max(1, sizes.max())), dtype=np.int64)
    padded[np.arange(padded.shape[1]) < sizes[:, None]] = np.concatenate(indices)
    columns = torch.split(torch.from_numpy(padded).to(inputs.device), width, dim=1)
    parts = [method.probabilities(model, stack, memory, take(inputs, some)) for some in columns]
    found = torch.cat(parts, dim=1).cpu().numpy()
    return [own[:size] for own, size in zip(found, sizes, strict=True)]
