"""What clients share, and what each keeps to itself: a split of the tree by name."""

from __future__ import annotations

from dataclasses import dataclass

from headstart.training import Params, Tree, trees


@dataclass(frozen=True, kw_only=True)
class Sharing:
    """Everything that trains is shared."""

    def is_private(self, name: str) -> bool:
        """Say whether the tensor of this name stays with its client."""
        return False

    def split(self, params: Params) -> tuple[Tree, Tree]:
        """Return what is shared, and what is private.

        >>> import torch
        >>> shared, private = OwnHead().split({"blocks.0.weight": torch.ones(1), "head.bias": torch.zeros(1)})
        >>> list(shared), list(private)
        (['blocks.0.weight'], ['head.bias'])
        """
        private = [name for name in params if self.is_private(name)]
        return trees.select(params, [name for name in params if name not in private]), trees.select(params, private)


@dataclass(frozen=True, kw_only=True)
class OwnHead(Sharing):
    """Every client keeps a head of its own."""

    def is_private(self, name: str) -> bool:
        """Keep the head."""
        return name.startswith("head.")
