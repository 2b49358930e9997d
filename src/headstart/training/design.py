"""Design matrices of closed-form heads, for one client or a stack."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from headstart.core.trees import Tree
from headstart.models.batch import Batch
from headstart.models.model import Model


def with_intercept(batch: Batch) -> Tensor:
    """Return ``[features, 1]`` in float64, padding all 0; shape ``(…, examples, features + 1)``."""
    features = batch.inputs.double()
    design = torch.cat([features, torch.ones_like(features[..., :1])], dim=-1)
    return design * present(batch)


def one_hot(batch: Batch, num_classes: int) -> Tensor:
    """Return labels as rows of 0 and 1, float64, padding all 0; shape ``(…, examples, classes)``."""
    return functional.one_hot(batch.labels, num_classes).double() * present(batch)


def regressand(model: Model, batch: Batch) -> Tensor:
    """Return what a least-squares head fits, float64, padding all 0; shape ``(…, examples, outputs)``.

    One-hot labels of classes, else what the task's loss says.
    """
    return model.network.loss.regressand(batch.labels, model.network.num_classes) * present(batch)


def present(batch: Batch) -> Tensor:
    """Return 1 for examples and 0 for padding, float64; shape ``(…, examples, 1)``."""
    return (batch.weights > 0).double().unsqueeze(-1)


def class_sums(batch: Batch, num_classes: int) -> Tree:
    """Return each class's ``sums`` of features ``(…, classes, features)`` and ``counts`` of examples."""
    targets = one_hot(batch, num_classes)
    return {"sums": targets.mT @ batch.inputs.double(), "counts": targets.sum(-2)}


def head_of(matrix: Tensor, like: Tree) -> Tree:
    """Return a matrix on ``[features, 1]``, ``(…, features + 1, classes)``, as the tree of a head."""
    return as_head(matrix[..., :-1, :].mT, matrix[..., -1, :], like)


def as_head(weight: Tensor, bias: Tensor, like: Tree) -> Tree:
    """Return a head's tree in the type, and on the device, of the head it replaces."""
    before = like["head.weight"]
    return {"head.weight": weight.to(before), "head.bias": bias.to(before)}
