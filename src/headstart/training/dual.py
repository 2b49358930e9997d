"""Softmax regression by gradient descent, in dual form.

A head that is trained from ``W`` with plain or heavy-ball SGD never leaves ``scale * W + A F``, where ``F`` are the
client's features and ``A`` has one coefficient per class and example (the representer theorem; Schölkopf, Herbrich,
Smola: *A Generalized Representer Theorem*, COLT 2001). So the steps can be taken on the logits of the examples and on
``A``, with the features' inner products, and the features themselves are read twice: before and after. SGD is linear
in its gradients and parameters, so that momentum and weight decay act on these as on the weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from headstart.core.trees import Params, Tree
from headstart.models.batch import Batch
from headstart.training.client_data import DualPasses
from headstart.training.descent import descend
from headstart.training.optimizers import Optimizer
from headstart.training.products import products


@dataclass(frozen=True)
class _DualBatch:
    """One minibatch of a stack of clients, as positions in their examples.

    Attributes:
        positions: ``(clients, batch)``.
        labels: ``(clients, batch)``.
        weights: of the examples over their sum; 0 for padding, ``(clients, batch)``.
        rows: of the clients' inner products, ``(clients, batch, n)``.
        active: whether a client has any example in this batch.
        full: whether every client has.
    """

    positions: Tensor
    labels: Tensor
    weights: Tensor
    rows: Tensor
    active: Tensor
    full: bool


def descend_dual(
    params: Params, examples: Batch, passes: DualPasses, optimizer: Optimizer, *, decays: bool = False
) -> Params:
    """Train a stack of heads; equal to the same steps on the weights, but for rounding.

    Args:
        params: ``head.weight`` ``(clients, classes, features)`` and ``head.bias`` ``(clients, classes)``.
        examples: every client's, features ``(clients, n, features)``.
        passes: in which order they are met.
        optimizer: SGD, with or without momentum and weight decay.
        decays: whether it has weight decay, which shrinks the first weights too.
    """
    weight, bias = params["head.weight"], params["head.bias"]
    features = examples.inputs.to(weight.dtype)
    logits = _logits_of(weight, bias, features)
    # Classes are the outer axis in memory: PyTorch's softmax is several times as fast over that one.
    state = {"logits": logits, "coefficients": torch.zeros_like(logits)}
    if decays:
        state["scale"] = logits.new_ones(len(weight))
    trained, _ = descend(_dual_gradient, state, optimizer.init(state), _dual_batches(examples, passes), optimizer)
    if decays:
        weight, bias = trained["scale"].view(-1, 1, 1) * weight, trained["scale"].view(-1, 1) * bias
    change = products(trained["coefficients"], features)
    return {"head.weight": change.add_(weight), "head.bias": trained["coefficients"].sum(-1) + bias}


def _logits_of(weight: Tensor, bias: Tensor, features: Tensor) -> Tensor:
    """Return ``(clients, classes, n)``, classes outermost in memory; one product if all clients have one head."""
    if weight.stride(0) == 0:
        scores = (weight[0] @ features.flatten(0, 1).mT).view(-1, *features.shape[:2])
    else:
        scores = products(weight, features.mT).transpose(0, 1).contiguous()
    logits: Tensor = scores.transpose(0, 1).add_(bias.unsqueeze(-1))
    return logits


def _dual_batches(examples: Batch, passes: DualPasses) -> Iterator[_DualBatch]:
    """Yield the passes' minibatches."""
    clients, steps, batch = passes.positions.shape
    labels = examples.labels.gather(1, passes.positions.view(clients, -1)).view_as(passes.positions)
    totals = passes.weights.sum(-1, keepdim=True)
    weights = passes.weights / totals.clamp_min(torch.finfo(totals.dtype).tiny)
    first = torch.arange(clients, device=passes.positions.device).mul_(examples.labels.shape[1]).view(-1, 1, 1)
    places, table = passes.positions + first, passes.gram.flatten(0, 1)
    for step in range(steps):
        rows = table.index_select(0, places[:, step].reshape(-1)).view(clients, batch, -1)
        active = totals[:, step, 0] > 0
        yield _DualBatch(passes.positions[:, step], labels[:, step], weights[:, step], rows, active, passes.full[step])


def _dual_gradient(state: Tree, batch: _DualBatch) -> Tree:
    """Return the gradient with respect to logits and coefficients; the scale of the first weights has none."""
    logits = state["logits"].transpose(0, 1)
    positions = batch.positions.expand(len(logits), -1, -1)
    residual = functional.softmax(logits.gather(2, positions), dim=0)
    residual.scatter_add_(0, batch.labels.unsqueeze(0), residual.new_full((), -1.0).expand(1, *batch.labels.shape))
    residual *= batch.weights.to(residual.dtype)
    slope = {
        "logits": products(residual.transpose(0, 1), batch.rows, out=torch.empty_like(state["logits"])),
        "coefficients": torch.zeros_like(logits).scatter_add_(2, positions, residual).transpose(0, 1),
    }
    return slope | {name: torch.zeros_like(value) for name, value in state.items() if name == "scale"}
