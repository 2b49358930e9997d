"""What clients of a round sent, added up: all of it here, or block by block wherever clients are trained.

A sum of a block says all that the round needs of its clients, so that a block's updates never leave the place where
they were computed. Blocks are cut by position and combined in their order: whoever computed them, and however many did,
the sum is the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from headstart.core import trees
from headstart.core.arrays import Array
from headstart.core.trees import Tree
from headstart.engine.clipped import clip_factors
from headstart.engine.heaviest import Heaviest
from headstart.engine.protocol import Adding, Chunk, Failure
from headstart.engine.rows import RowTable

Put = Callable[[Array, Tree], object]
"""Keeps the private trees, stacked, of the clients at some positions."""

_OTHER = "its update has other names or shapes than the others'"
_NOT_FINITE = "what it computed has numbers that are not finite"


@dataclass(eq=False)
class Sum:
    """What some clients sent, added up; bad answers are left out and named.

    Attributes:
        adding: how updates are added up.
        total: the weighted sum of their updates; empty where there are none.
        updates: positions and their updates, stacked, where the server needs them all.
        heaviest: who weighs most, and what all weigh.
        upload: bytes that they sent.
        excluded: positions of the clients that are left out, each with the reason.
        privates: positions and new private trees, stacked, as they came in.
        put: takes new private trees where they need not be kept here.
    """

    adding: Adding
    total: Tree = field(default_factory=dict)
    updates: list[tuple[Array, Tree]] = field(default_factory=list)
    heaviest: Heaviest = field(default_factory=Heaviest)
    upload: int = 0
    excluded: list[tuple[int, str]] = field(default_factory=list)
    privates: list[tuple[Array, Tree]] = field(default_factory=list)
    put: Put | None = None

    @property
    def stack(self) -> Tree:
        """All updates, by position."""
        order = np.argsort(np.concatenate([positions for positions, _ in self.updates]))
        return {name: torch.cat([one[name] for _, one in self.updates])[order] for name in self.total}

    def take(self, result: Chunk | Failure, rows: RowTable) -> None:
        """Add what came in.

        Args:
            result: of one client or several; a chunk may bring their sum, added up elsewhere.
            rows: the clients' examples.
        """
        if isinstance(result, Failure):
            self.excluded.append((result.position, result.reason))
        elif result.finished:
            for summed in result.finished:
                self._join(summed)
        else:
            self._take(result, rows)

    def _take(self, chunk: Chunk, rows: RowTable) -> None:
        (updates, privates), positions = chunk.results, np.asarray(chunk.positions)
        if self.total and not _same_shapes(updates, self.total):
            self._exclude(positions, _OTHER)
            return
        # One bad client spoils the sum, so that a finite sum clears them all.
        weights = self._weights(rows, positions)
        summed = self._summed(updates, weights)
        if not (trees.is_finite(summed) and trees.is_finite(privates)):
            good = _finite(updates, privates)
            self._exclude(positions[~good.numpy()], _NOT_FINITE)
            positions, weights = positions[good.numpy()], weights[good]
            updates, privates = trees.take(updates, good), trees.take(privates, good)
            summed = self._summed(updates, weights)
        if len(positions):
            self._add(summed, updates, weights, positions)
        self._keep(positions, privates)

    def _keep(self, positions: Array, privates: Tree) -> None:
        if self.put:
            self.put(positions, privates)
        else:
            # A chunk's trees are overwritten by the next.
            self.privates.append((positions, trees.clone(privates)))

    def _join(self, other: Sum) -> None:
        """Add what was added up elsewhere, after all that is here."""
        self.excluded += other.excluded
        if self.total and other.total and _shapes(self.total) != _shapes(other.total):
            self._exclude(np.concatenate([positions for positions, _ in other.privates]), _OTHER)
            return
        if other.total:
            self.total = trees.add(self.total, other.total) if self.total else other.total
        self.updates += other.updates
        self.heaviest.join(other.heaviest)
        self.upload += other.upload
        for positions, privates in other.privates:
            self._keep(positions, privates)

    def _add(self, summed: Tree, updates: Tree, weights: Tensor, positions: Array) -> None:
        if self.adding.needs_all:
            self.updates.append((positions, trees.clone(updates)))
        self.total = trees.add(self.total, summed) if self.total else summed
        self.heaviest.note(updates if self.adding.is_mean else {}, weights, positions)
        self.upload += trees.num_bytes(updates)

    def _summed(self, updates: Tree, weights: Tensor) -> Tree:
        """Add up a stack of updates, each clipped and weighted."""
        norm = self.adding.clip_norm
        return trees.weighted_sum(updates, weights if norm is None else weights * clip_factors(updates, norm))

    def _weights(self, rows: RowTable, positions: Array) -> Tensor:
        """Return what each client's update counts."""
        sizes = torch.from_numpy(rows.sizes(positions).astype(np.float64))
        return torch.ones_like(sizes) if self.adding.is_equal else sizes

    def _exclude(self, positions: Sequence[int] | Array, reason: str) -> None:
        self.excluded += [(int(position), reason) for position in positions]


def _shapes(tree: Tree) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in tree.items()}


def _same_shapes(stack: Tree, tree: Tree) -> bool:
    """Say whether a stack's trees have the names and shapes of ``tree``."""
    return {name: value.shape[1:] for name, value in stack.items()} == _shapes(tree)


def _finite(updates: Tree, privates: Tree) -> Tensor:
    """Say for each client whether all that it computed is finite."""
    return trees.finite_clients({**updates, **{f"private/{name}": value for name, value in privates.items()}}).cpu()
