"""Trees as whole numbers modulo 2**64, in which masks cancel to the last bit."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headstart.core.errors import ClientError
from headstart.core.trees import Tree
from headstart.sites.refusals import Refused

Vector = NDArray[np.uint64]

_SCALE = 2**32
"""Numbers travel as multiples of 1 / _SCALE."""

_MOST = 2**30
"""Largest total of all clients, in absolute value."""


def to_fixed(tree: Tree, clients: int) -> Vector:
    """Return a tree's numbers, by name, as one vector ``(numbers,)``.

    Args:
        tree: of floating-point numbers.
        clients: whose vectors are added up.

    Raises:
        Refused: a number is not finite, or so large that the total might not fit.

    >>> to_fixed({"w": torch.tensor([-0.5, 1.0])}, 3).view(np.int64) / 2**32
    array([-0.5,  1. ])
    """
    found = np.empty(sum(value.numel() for value in tree.values()), np.uint64)
    begin = 0
    for name in sorted(tree):
        flat = tree[name].double().numpy().ravel()
        if not np.isfinite(flat).all() or np.abs(flat).max(initial=0) * clients > _MOST:
            raise Refused(f"secure sums carry numbers up to {_MOST // clients}, '{name}' has a larger one; scale down")
        found[begin : begin + len(flat)] = np.rint(flat * _SCALE).astype(np.int64).view(np.uint64)
        begin += len(flat)
    return found


def from_fixed(total: Vector, like: Mapping[str, Tensor]) -> Tree:
    """Return the total as a tree of float64, of the shapes of ``like``.

    Raises:
        ClientError: no such total can come of what clients may send.
    """
    if (np.abs(total.view(np.int64) / _SCALE) > _MOST).any():
        raise ClientError(
            "secure sums: their total is larger than what sites may send; some site's is false, which masks hide: run "
            "it without --secure to see whose"
        )
    return {name: torch.from_numpy(np.asarray(part.view(np.int64) / _SCALE)) for name, part in _parts(total, like)}


def as_tree(vector: Vector, like: Mapping[str, Tensor]) -> Tree:
    """Return a vector as it travels: int64, of the names and shapes of ``like``."""
    return {name: torch.from_numpy(part.view(np.int64)) for name, part in _parts(vector, like)}


def as_vector(tree: Tree) -> Vector:
    """Undo :func:`as_tree`."""
    return np.concatenate([tree[name].numpy().ravel() for name in sorted(tree)]).view(np.uint64)


def _parts(vector: Vector, like: Mapping[str, Tensor]) -> list[tuple[str, Vector]]:
    """Return each tensor's part of a vector, in its shape."""
    names = sorted(like)
    ends = np.cumsum([like[name].numel() for name in names])
    parts = np.split(vector, ends[:-1])
    return [(name, part.reshape(tuple(like[name].shape))) for name, part in zip(names, parts, strict=True)]
