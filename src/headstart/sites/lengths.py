"""How long updates are, and how long one would be that makes other weights of all."""

from __future__ import annotations

import math

import torch

from headstart.core.trees import Tree


def norm(tree: Tree) -> float:
    """Return the Euclidean norm of all numbers of a tree.

    >>> norm({"w": torch.tensor([3.0]), "b": torch.tensor([4.0])})
    5.0
    """
    return float(torch.stack([value.double().square().sum() for value in tree.values()]).sum().sqrt())


def anew(shared: Tree) -> float:
    """Return how long an update is that makes other weights of all: the norm of the shared ones, and 1 for each.

    >>> anew({"w": torch.tensor([3.0, 0.0, 0.0, 0.0])})
    5.0
    """
    return norm(shared) + math.sqrt(sum(value.numel() for value in shared.values()))
