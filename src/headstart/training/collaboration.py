"""Who should learn with whom, from sums of features alone: heads of one client on data of another, and groups.

Bao, Wang, Lin, Zhu, Gao, Zhang, Luo, Chen: Optimizing the Collaboration Structure in Cross-Silo Federated Learning.
ICML 2023. https://arxiv.org/abs/2306.06508 (FedCollab; the bound of Theorem 3.1, Algorithm 1). The distance of two
clients is what their heads lose when they change places, not how well a network tells their examples apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from headstart.core.arrays import Array
from headstart.training.ridge import Fitted, ridge_of_sums

_STEPS = 12
"""Constants that are tried, each half as large as the one before."""

_SWEEPS = 50
"""Most rounds of moves; few are ever needed."""


def cross_errors(heads: Tensor, grams: Iterable[Tensor], moments: Tensor, squares: Tensor) -> Array:
    """Return the squared error by example of head ``i`` on the data of client ``j``, ``(clients, clients)``.

    ``(y'y - 2 tr W_i'Z_j'Y_j + tr W_i'Z_j'Z_j W_i) / n_j``. A head's error on data that it has learned from, on the
    diagonal, is too small.

    Args:
        heads: ``W``, ``(clients, features + 1, outputs)``.
        grams: every client's ``Z'Z``, one at a time; the last entry counts its examples.
        moments: ``Z'Y``, as ``heads``.
        squares: sum of all squares of ``Y``, ``(clients,)``.
    """
    clients, size, outputs = heads.shape
    flat = heads.permute(1, 0, 2).reshape(size, clients * outputs)
    columns = []
    for gram, moment, square in zip(grams, moments, squares, strict=True):
        explained = 2 * moment.repeat(1, clients) - gram @ flat
        explained = (flat * explained).sum(0).reshape(clients, outputs).sum(1)
        columns.append((square - explained).clamp_min(0) / gram[-1, -1].clamp_min(1))
    found: Array = torch.stack(columns, 1).cpu().numpy()
    return found


def distances(errors: Array, own: Array) -> Array:
    """Return what two clients' heads lose by example when they change places, ``(clients, clients)``.

    It is 0 on average where both have the same distribution. That one of them has the noisier labels falls out: it
    loses what the other gains.

    Args:
        errors: as :func:`cross_errors` returns them.
        own: each client's error on examples that its head has not learned from, ``(clients,)``.

    >>> distances(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([0.2, 0.3])).round(9).tolist()
    [[0.0, 0.6], [0.6, 0.0]]
    """
    lost = errors - own[:, None]
    between: Array = (lost + lost.T) / 2
    np.fill_diagonal(between, 0.0)
    return between


def group(between: Array, sizes: Array, constant: float) -> Array:
    """Return each client's group, ``(clients,)``, numbered by their first members: FedCollab's greedy moves.

    They lower the mean over clients of ``constant / sqrt(N) + sum_j n_j / N D_ij`` over the ``N`` examples of a
    client's group: first everyone is alone, then one after another moves to the group, or to one of its own, where
    that helps most, until nobody moves.

    Args:
        between: distances ``D``, symmetric, 0 on the diagonal.
        sizes: examples ``n``, 1 or more.
        constant: how much more examples are worth.
    """
    moves = _Moves(between, sizes.astype(np.float64), constant)
    for _ in range(_SWEEPS):
        moved = [moves.move(client) for client in range(len(sizes))]
        if not any(moved):
            break
    return _renumbered(moves.of)


class _Moves:
    """Groups while clients move among them; what a move changes is a few sums by group."""

    def __init__(self, between: Array, sizes: Array, constant: float) -> None:
        clients = len(sizes)
        self._sizes, self._constant = sizes, constant
        # What a pair adds to a group's sum of n_j D_ij, and those of each client with each group.
        self._pairs = between * (sizes + sizes[:, None])
        self._with = self._pairs.copy()
        self.of, self._members = np.arange(clients), np.ones(clients)
        self._total, self._lost = sizes.copy(), np.zeros(clients)

    def move(self, client: int) -> bool:
        """Move a client where that helps most; say whether it moved."""
        here, size = int(self.of[client]), self._sizes[client]
        # What each group would come to with the client, and without.
        joined = self._cost(self._members + 1, self._total + size, self._lost + self._with[client])
        now = self._cost(self._members, self._total, self._lost)
        left = self._cost(self._members - 1, self._total - size, self._lost - self._with[client])[here]
        change = joined - now + left - now[here]
        change[here] = 0.0
        best = int(change.argmin())
        if change[best] >= -1e-12:
            return False
        for at, sign in ((here, -1), (best, 1)):
            self._lost[at] += sign * self._with[client, at]
            self._members[at] += sign
            self._total[at] += sign * size
            self._with[:, at] += sign * self._pairs[:, client]
        self.of[client] = best
        return True

    def _cost(self, members: Array, total: Array, lost: Array) -> Array:
        """Return the sum of the bound over the members of each group; 0 of an empty one."""
        some = np.maximum(total, 1.0)
        cost: Array = np.where(members > 0, members * self._constant / np.sqrt(some) + lost / some, 0.0)
        return cost


@dataclass(frozen=True, eq=False)
class ClientSums:
    """What clients tell of their features ``Z = [features, 1]`` and targets ``Y``, and of their own heads.

    Attributes:
        gram: returns a client's ``Z'Z`` by its position; float64.
        moments: ``Z'Y``, ``(clients, features + 1, outputs)``.
        squares: sums of all squares of ``Y``, ``(clients,)``.
        sizes: examples, ``(clients,)``.
        own: errors by example of clients' own heads on examples that these have not learned from, ``(clients,)``.
    """

    gram: Callable[[int], Tensor]
    moments: Tensor
    squares: Tensor
    sizes: Array
    own: Array

    def fit(self, part: Sequence[int]) -> Fitted:
        """Return the head of several clients' examples."""
        total = sum((self.gram(client) for client in part), torch.zeros(()))
        return ridge_of_sums(total, self.moments[list(part)].sum(0), self.squares[list(part)].sum())

    def errors(self, heads: Tensor, part: Sequence[int] | None = None) -> Array:
        """Return the error by example of each head on the examples of each client, or of some, ``(heads, clients)``."""
        some = list(range(len(self.sizes)) if part is None else part)
        return cross_errors(heads, map(self.gram, some), self.moments[some], self.squares[some])


@dataclass(frozen=True, eq=False)
class Groups:
    """Who is with whom.

    Attributes:
        of: each client's group, ``(clients,)``, numbered by their first members.
        heads: by group, of those of two or more.
        each: each client's error by example with its group's head, or alone with its own, on examples that these have
            not learned from, ``(clients,)``.
    """

    of: Array
    heads: Mapping[int, Fitted]
    each: Array

    @property
    def count(self) -> int:
        """Number of groups, those of one among them."""
        return int(self.of.max()) + 1

    def members(self, number: int) -> list[int]:
        """Return the positions of a group's clients."""
        found: list[int] = np.flatnonzero(self.of == number).tolist()
        return found


def best_groups(sums: ClientSums, heads: Tensor, errors: Array | None = None) -> Groups:
    """Return the groups in which examples are predicted best by heads that have not learned from them.

    Candidates are what :func:`group` makes with a row of constants, as long as smaller ones help, and the best of them
    once clients have moved to the group whose head errs least on their examples, as long as that helps. Of those that
    are as good up to the standard error by clients, the one of fewest groups is taken.

    Args:
        sums: of every client.
        heads: clients' own, ``(clients, features + 1, outputs)``.
        errors: of these heads on all clients' examples, where they are known.
    """
    between = distances(sums.errors(heads) if errors is None else errors, sums.own)
    fits = _Fits(sums)
    tried = fits.first(partitions(between, sums.sizes))
    best = min(tried, key=fits.total)
    while fits.total(moved := fits.of(_moved(sums, best, heads))) < fits.total(best) * (1 - 1e-9):
        tried.append(best := moved)
    return min((one for one in tried if _as_good(sums, one, best)), key=lambda one: one.count)


@dataclass(frozen=True, eq=False)
class _Fits:
    """Groups' heads and what their clients' errors are, each group fitted once."""

    sums: ClientSums
    known: dict[tuple[int, ...], tuple[Fitted, Array]] = field(default_factory=dict)

    def of(self, of: Array) -> Groups:
        """Return the groups with their heads."""
        each, heads = self.sums.own.copy(), dict[int, Fitted]()
        for number in range(int(of.max()) + 1):
            part = tuple(np.flatnonzero(of == number).tolist())
            if len(part) > 1:
                heads[number], each[list(part)] = self._fitted(part)
        return Groups(of, heads, each)

    def first(self, candidates: Sequence[Array]) -> list[Groups]:
        """Return candidates, coarse ones first, until two after another are worse than the best; and the last."""
        tried, best = [], np.inf
        for of in candidates[:-1]:
            tried.append(self.of(of))
            if min(self.total(one) for one in tried[-2:]) > best:
                break
            best = min(best, self.total(tried[-1]))
        return [*tried, self.of(candidates[-1])]

    def total(self, groups: Groups) -> float:
        """Return the sum of errors over all examples."""
        return float(groups.each @ self.sums.sizes)

    def _fitted(self, part: tuple[int, ...]) -> tuple[Fitted, Array]:
        if part not in self.known:
            found = self.sums.fit(part)
            self.known[part] = found, _unseen(self.sums.errors(found.head[None], part)[0], found)
        return self.known[part]


def _unseen(errors: Array, fitted: Fitted) -> Array:
    """Return errors on examples that a head has learned from as they would be had it not.

    As generalised cross-validation has it: each example had the mean share in its own prediction.
    """
    return errors / (1 - fitted.leverage) ** 2


def _moved(sums: ClientSums, groups: Groups, heads: Tensor) -> Array:
    """Return groups once each client has gone to the one whose head errs least on its examples."""
    fitted = [groups.heads.get(number) for number in range(groups.count)]
    first = [groups.members(number)[0] for number in range(len(fitted))]
    errors = sums.errors(torch.stack([one.head if one else heads[at] for one, at in zip(fitted, first, strict=True)]))
    errors[groups.of, np.arange(len(groups.of))] = groups.each
    return _renumbered(errors.argmin(0))


def _as_good(sums: ClientSums, one: Groups, best: Groups) -> bool:
    """Say whether groups err no more than the best, up to the standard error of the difference by clients."""
    weights = sums.sizes / sums.sizes.sum()
    lost = one.each - best.each
    mean = float(lost @ weights)
    return mean <= float(np.sqrt(((lost - mean) ** 2) @ weights**2))


def partitions(between: Array, sizes: Array) -> list[Array]:
    """Return groups by falling constants, the first of which puts all together, the last nobody with anybody."""
    clients = len(sizes)
    largest = 4 * max(float(np.abs(between).max()), 1e-12) * float(np.sqrt(sizes.sum()))
    middle = [group(between, sizes, largest / 2**step) for step in range(_STEPS)]
    return [np.zeros(clients, dtype=np.int64), *middle, np.arange(clients)]


def _renumbered(of: Array) -> Array:
    _, first, number = np.unique(of, return_index=True, return_inverse=True)
    order = np.argsort(np.argsort(first))
    found: Array = order[number]
    return found
