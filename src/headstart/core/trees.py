"""Trees of tensors and their arithmetic.

A tree is a flat mapping from a parameter's dotted name to a tensor. A *stack* is a tree whose tensors carry
one leading client axis; every function here works on both, because it is elementwise or broadcasts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor

Tree = dict[str, Tensor]
Params = Tree


def map_tree(function: Callable[..., Tensor], *trees: Mapping[str, Tensor]) -> Tree:
    """Apply ``function`` to the tensors that share a name.

    >>> map_tree(torch.add, {"w": torch.ones(2)}, {"w": torch.ones(2)})
    {'w': tensor([2., 2.])}
    """
    first, *rest = trees
    return {name: function(value, *(tree[name] for tree in rest)) for name, value in first.items()}


def add(left: Tree, right: Tree) -> Tree:
    """Return ``left + right``."""
    return map_tree(torch.add, left, right)


def subtract(left: Tree, right: Tree) -> Tree:
    """Return ``left - right``; an update is ``subtract(local, shared)``."""
    return map_tree(torch.sub, left, right)


def scale(tree: Tree, factor: float) -> Tree:
    """Return ``factor * tree``."""
    return map_tree(lambda value: value * factor, tree)


def divide(tree: Tree, by: Tensor) -> Tree:
    """Return a tree divided by one number, ``()``, or each client of a stack by its own, ``(clients,)``.

    >>> divide({"w": torch.ones(2, 2)}, torch.tensor([1.0, 2.0]))
    {'w': tensor([[1.0000, 1.0000],
            [0.5000, 0.5000]])}
    """
    return map_tree(lambda value: value / by.to(value).reshape(by.shape + (1,) * (value.dim() - by.dim())), tree)


def zeros_like(tree: Tree) -> Tree:
    """Return a tree of zeros of the same names, shapes and types."""
    return map_tree(torch.zeros_like, tree)


def clone(tree: Tree) -> Tree:
    """Copy every tensor."""
    return {name: value.clone() for name, value in tree.items()}


def restore(mask: Tensor, tree: Tree, before: Tree) -> None:
    """Put back, in place, what the clients of a stack had before, where ``mask`` ``(clients,)`` holds.

    Nothing is looked up by the mask's values: a device need not wait for them.
    """
    for name, value in tree.items():
        value.copy_(torch.where(mask.reshape(mask.shape + (1,) * (value.dim() - mask.dim())), before[name], value))


def stack(trees: Sequence[Tree]) -> Tree:
    """Put trees of one client each on a new leading client axis."""
    return map_tree(lambda *values: torch.stack(values), *trees)


def unstack(tree: Tree, index: int) -> Tree:
    """Take one client's tree out of a stack."""
    return {name: value[index] for name, value in tree.items()}


def broadcast(tree: Tree, clients: int) -> Tree:
    """Repeat one tree for ``clients`` clients, without copying memory."""
    return map_tree(lambda value: value.expand(clients, *value.shape), tree)


def where(mask: Tensor, new: Tree, old: Tree) -> Tree:
    """Take ``new`` for the clients where ``mask`` holds, ``old`` elsewhere.

    Args:
        mask: booleans, shape ``()`` for a tree or ``(clients,)`` for a stack.
        new: tree or stack.
        old: tree or stack of the same shapes.
    """
    return map_tree(
        lambda left, right: torch.where(mask.reshape(mask.shape + (1,) * (left.dim() - mask.dim())), left, right),
        new,
        old,
    )


def weighted_sum(stacked: Tree, weights: Tensor) -> Tree:
    """Sum a stack over its client axis, client ``i`` weighted by ``weights[i]``, wherever these are.

    >>> weighted_sum({"w": torch.tensor([[1.0], [3.0]])}, torch.tensor([1.0, 2.0]))
    {'w': tensor([7.])}
    """
    return map_tree(lambda value: torch.tensordot(weights.to(value), value, dims=1), stacked)


def take(stacked: Tree, clients: Tensor) -> Tree:
    """Return the part of a stack that ``clients`` (booleans or indices) says."""
    return {name: value[clients] for name, value in stacked.items()}


def is_finite(tree: Tree) -> bool:
    """Say whether every number of a tree is finite."""
    # A sum is finite only where its terms are, and needs no array of flags.
    return all(bool(torch.isfinite(value.sum())) or bool(torch.isfinite(value).all()) for value in tree.values())


def finite_clients(stacked: Tree) -> Tensor:
    """Say for each client of a stack whether all its numbers are finite; shape ``(clients,)``."""
    flags = [torch.isfinite(value).reshape(len(value), -1).all(1) for value in stacked.values()]
    return torch.stack(flags).all(0)


def num_bytes(tree: Mapping[str, Tensor]) -> int:
    """Count the bytes that sending this tree takes, headers aside.

    >>> num_bytes({"w": torch.zeros(3, 2), "b": torch.zeros(3, dtype=torch.float64)})
    48
    """
    return sum(value.numel() * value.element_size() for value in tree.values())


def part(tree: Mapping[str, Tensor], prefix: str) -> Tree:
    """Return the tensors whose names begin with ``prefix``, named without it.

    >>> part({"shared/w": torch.zeros(1), "state/w": torch.ones(1)}, "state/")
    {'w': tensor([1.])}
    """
    return {name.removeprefix(prefix): value for name, value in tree.items() if name.startswith(prefix)}


def select(tree: Mapping[str, Tensor], names: Iterable[str]) -> Tree:
    """Return the part of ``tree`` that ``names`` lists, in that order."""
    return {name: tree[name] for name in names}
