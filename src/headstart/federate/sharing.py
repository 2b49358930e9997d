"""What clients share, and what each keeps to itself: a split of the tree by name."""

from __future__ import annotations

from dataclasses import dataclass

from headstart.training import Model, Params, Tree, trees


@dataclass(frozen=True, kw_only=True)
class Sharing:
    """Everything that trains is shared."""

    def is_private(self, name: str) -> bool:
        """Say whether the tensor of this name stays with its client."""
        return False

    def split(self, model: Model, params: Params) -> tuple[Tree, Tree]:
        """Return what is shared, and what is private.

        >>> from headstart.federate.fedper import OwnHead
        >>> from headstart.testing import open_world
        >>> world = open_world("all")
        >>> shared, private = OwnHead().split(world.model, world.params)
        >>> list(private)
        ['head.weight', 'head.bias']
        """
        private = [name for name in params if self.is_private(name)]
        return trees.select(params, [name for name in params if name not in private]), trees.select(params, private)
