"""The client of a round that weighs most: of three or more, none weighs more than the others together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from headstart.core import trees
from headstart.core.arrays import Array
from headstart.core.trees import Tree

FEWEST = 3
"""Clients from which on none outweighs the rest: of two, who is to be believed cannot be said."""


@dataclass(eq=False)
class Heaviest:
    """What the heaviest client of a round sent, kept apart until all weights are known.

    Attributes:
        position: of that client; None before any came.
        weight: its number of examples.
        total: of all clients.
        count: of clients.
    """

    position: int | None = field(default=None, init=False)
    weight: float = field(default=0.0, init=False)
    total: float = field(default=0.0, init=False)
    count: int = field(default=0, init=False)
    _update: Tree = field(default_factory=dict, init=False)

    @classmethod
    def of(cls, said: Mapping[str, Any], update: Tree) -> Heaviest:
        """Return what another has said of itself, with the update of its heaviest client."""
        found = cls()
        found.position, found.weight, found._update = said["position"], float(said["weight"]), update
        found.total, found.count = float(said["total"]), int(said["count"])
        return found

    @property
    def update(self) -> Tree:
        """What the heaviest client sent; empty where it does not matter."""
        return self._update

    def as_json(self) -> dict[str, Any]:
        """Return plain values, all but the update."""
        return {name: getattr(self, name) for name in ("position", "weight", "total", "count")}

    @property
    def is_too_heavy(self) -> bool:
        """Whether it weighs more than all others together; never more than one client of a round does."""
        return self.count >= FEWEST and self.weight > self.total - self.weight > 0

    def note(self, updates: Tree, weights: Tensor, positions: Array) -> None:
        """Hear of some clients: their stacked updates, and the weight ``(clients,)`` and position of each."""
        at = int(weights.argmax())
        if float(weights[at]) > self.weight:
            self.weight, self.position = float(weights[at]), int(positions[at])
            self._update = trees.clone(trees.unstack(updates, at))
        self.total += float(weights.sum())
        self.count += len(positions)

    def join(self, other: Heaviest) -> None:
        """Hear of the clients that another has heard of, after those that are known."""
        if other.weight > self.weight:
            self.weight, self.position, self._update = other.weight, other.position, other._update
        self.total += other.total
        self.count += other.count

    def mean(self, summed: Tree) -> Tree:
        """Return the mean of all updates from their weighted sum; a client that is too heavy counts half of it."""
        if not self.is_too_heavy:
            return trees.scale(summed, 1 / self.total)
        others = self.total - self.weight
        # All weights are halved by what is left of this one: the others' sum plus as much of it, over twice theirs.
        capped = trees.subtract(summed, trees.scale(self._update, self.weight - others))
        return trees.scale(capped, 1 / (2 * others))
