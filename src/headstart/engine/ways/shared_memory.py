"""Trees in memory that forked processes share."""

from __future__ import annotations

import mmap

import torch
from torch import Tensor

from headstart.core.trees import Tree

ALIGNMENT = 64
"""Bytes: a cache line, and the widest vector."""


class Slots:
    """Room for several trees of one shape, in shared memory.

    Args:
        like: names, shapes and types.
        count: number of trees.

    >>> slots = Slots({"w": torch.zeros(2)}, count=3)
    >>> slots.write(1, {"w": torch.ones(2)})
    >>> slots.write_part(2, 1, {"w": torch.ones(1)})
    >>> slots.read(1), slots.read(2)
    ({'w': tensor([1., 1.])}, {'w': tensor([0., 1.])})
    """

    def __init__(self, like: Tree, count: int) -> None:
        self._tensors = {name: _shared(value, count) for name, value in like.items()}

    def write(self, slot: int, tree: Tree) -> None:
        """Put a tree into a slot.

        Raises:
            ValueError: the tree has other names or shapes.
        """
        shapes = {name: tuple(value.shape[1:]) for name, value in self._tensors.items()}
        if shapes != {name: tuple(value.shape) for name, value in tree.items()}:
            raise ValueError("its result has other names or shapes than the others'")
        for name, value in tree.items():
            self._tensors[name][slot].copy_(value)

    def read(self, slot: int) -> Tree:
        """Return the tree in a slot, without a copy."""
        return {name: value[slot] for name, value in self._tensors.items()}

    def write_part(self, slot: int, first: int, tree: Tree) -> None:
        """Put a tree's rows into a slot, from the row ``first`` on.

        Raises:
            ValueError: the tree has other names, its rows have other shapes, or there are too many.
        """
        room = {name: value[slot, first:] for name, value in self._tensors.items()}
        shapes = {name: tuple(value.shape[1:]) for name, value in room.items()}
        if shapes != {name: tuple(value.shape[1:]) for name, value in tree.items()}:
            raise ValueError("its result has other names or shapes than the others'")
        for name, value in tree.items():
            room[name][: len(value)].copy_(value)


def _shared(like: Tensor, count: int) -> Tensor:
    """Return zeros ``(count, *shape)``; the memory lives as long as a tensor shows it."""
    size = like.numel() * like.element_size() * count
    if not size:
        return torch.zeros(count, *like.shape, dtype=like.dtype)
    # Anonymous memory has no name that could be left behind.
    block = mmap.mmap(-1, -(-size // ALIGNMENT) * ALIGNMENT)
    return torch.frombuffer(block, dtype=like.dtype, count=like.numel() * count).view(count, *like.shape)
