"""With whom each client should learn: alone, with some, or with all, by heads that have not seen an example.

Groups come from what clients' own ridge heads lose on each other's data (:mod:`headstart.training.collaboration`); then
each training example is predicted by three heads that were solved without it, exactly: of its client, of the client's
group, and of all. An advice is given where one of them errs least beyond noise: beyond the standard error by examples,
at a confidence that holds for all clients together. The groups were found from the same examples, so that a group's
head is a little ahead of what it does on new ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
from scipy import special
from torch import Tensor

from headstart.core.arrays import Array
from headstart.diagnosis.heads import LeftOut, Part, Shared, left_by_shared
from headstart.training.collaboration import ClientSums, Groups, best_groups
from headstart.training.ridge import own_ridge, ridge_of_sums

With = Literal["alone", "these", "all"]
WITH: tuple[With, ...] = ("alone", "these", "all")
_MOST_CLIENTS = 500
"""Of more, heads of all on data of all take minutes."""
_MOST_WHOLE = 30
"""Clients whose every pair is kept; of more, means by group."""
_FEWEST_EXAMPLES = 8
"""From which the spread of errors says how sure their mean is."""
_LEVEL = 0.05


@dataclass(frozen=True)
class Advice:
    """What one client should do, by its training examples.

    Attributes:
        client: its name.
        group: number of its group.
        advice: what errs least beyond noise; None where that is open.
        among: what is not ruled out: the advice alone, or what it is open between.
        error: squared error of each head on examples it has not learned from, summed over the classes.
        accuracy: likewise, in [0, 1].
        gain: accuracy of the best of the shared heads (by error) minus that of the own one.
        noise: standard error of the gain by the choice of examples; None of a single one.
    """

    client: str
    group: int
    advice: With | None
    among: tuple[With, ...]
    error: dict[str, float]
    accuracy: dict[str, float]
    gain: float
    noise: float | None


@dataclass(frozen=True)
class Company:
    """Groups, what heads do on others' data, and an advice for each client.

    Attributes:
        groups: names of the clients of each; who is alone is a group of one.
        rows: what the matrix is of: clients, group after group, or groups where there are many clients.
        matrix: squared error by example of the head of each on data of each, ``[head][data]``; on the diagonal of
            clients, on examples that the head has not learned from. Of groups the mean over pairs of clients; None
            where a group of one has no pair.
        clients: in the order in which they were given.
    """

    groups: tuple[tuple[str, ...], ...]
    rows: tuple[str, ...]
    matrix: tuple[tuple[float | None, ...], ...]
    clients: tuple[Advice, ...]

    @classmethod
    def of(
        cls, train: Sequence[Part], names: Sequence[str], pool: Shared, left_out: Sequence[LeftOut], num_classes: int
    ) -> Company | None:
        """Find groups and advise each client; None of fewer than two clients, or of more than 500.

        Args:
            train: per client features ``(n, d)`` and labels ``(n,)``; one example or more.
            names: of the clients.
            pool: the head of all, and how features are scaled.
            left_out: what was predicted of each client's examples by its own head and that of all.
            num_classes: number of classes.
        """
        if not 2 <= len(train) <= _MOST_CLIENTS:
            return None
        data = [partial(_example_sums, part, pool, num_classes) for part in train]
        own = [_own(*_examples(part, pool, num_classes)) for part in train]
        heads, errors = torch.stack([head for head, _ in own]), np.array([error for _, error in own])
        sizes = np.array([len(labels) for _, labels in train])
        moments = torch.stack([one()[1] for one in data])
        sums = ClientSums(lambda at: data[at]()[0], moments, torch.from_numpy(sizes).double(), sizes, errors)
        matrix = sums.errors(heads)
        np.fill_diagonal(matrix, errors)
        groups = best_groups(sums, heads, matrix)
        return cls(
            groups=tuple(tuple(names[at] for at in groups.members(number)) for number in range(groups.count)),
            **_table(matrix, groups, names),
            clients=tuple(_advise(train, names, left_out, groups, num_classes)),
        )


def _examples(part: Part, pool: Shared, num_classes: int) -> tuple[Tensor, Tensor]:
    features, labels = part
    targets = torch.nn.functional.one_hot(torch.from_numpy(labels).long(), num_classes).double()
    return pool.design(features), targets


def _example_sums(part: Part, pool: Shared, num_classes: int) -> tuple[Tensor, Tensor]:
    """Return ``Z'Z`` and ``Z'Y``; made anew each time, for those of many clients take more room than their examples."""
    design, targets = _examples(part, pool, num_classes)
    return design.mT @ design, design.mT @ targets


def _own(design: Tensor, targets: Tensor) -> tuple[Tensor, float]:
    """Return a client's own head, and its error on examples that it has not learned from."""
    if len(design) <= design.shape[1]:
        head, left = own_ridge(design, targets)
        return head, float(left) / len(design)
    fitted = ridge_of_sums(design.mT @ design, design.mT @ targets)
    return fitted.head, fitted.error


def _table(matrix: Array, groups: Groups, names: Sequence[str]) -> dict[str, tuple]:  # type: ignore[type-arg]
    order = np.argsort(groups.of, kind="stable")
    if len(order) <= _MOST_WHOLE:
        rows = matrix[order][:, order]
        return {"rows": tuple(names[at] for at in order.tolist()), "matrix": tuple(map(tuple, rows.tolist()))}
    member = np.eye(groups.count)[groups.of]
    apart = np.where(np.eye(len(order), dtype=bool), 0.0, matrix)
    pairs = member.T @ (1 - np.eye(len(order))) @ member
    blocks = np.where(pairs > 0, member.T @ apart @ member / np.maximum(pairs, 1), np.nan)
    names = [f"group {number + 1}" for number in range(groups.count)]
    return {"rows": tuple(names), "matrix": tuple(map(tuple, blocks.tolist()))}


def _advise(
    train: Sequence[Part], names: Sequence[str], left_out: Sequence[LeftOut], groups: Groups, num_classes: int
) -> list[Advice]:
    """Compare three heads of each client, on examples that none of them has seen."""
    # All together already have their head, and who is alone has its own.
    parts = {number: groups.members(number) for number in groups.heads if groups.count > 1}
    shared = {number: Shared.of([train[at] for at in part], num_classes) for number, part in parts.items()}
    found = []
    for at, (part, left) in enumerate(zip(train, left_out, strict=True)):
        number = int(groups.of[at])
        together = 1 if groups.count == 1 else 0
        right, squared = (
            left_by_shared(part, shared[number], num_classes)
            if number in shared
            else (left.right[together], left.squared[together])
        )
        rights, errors = (
            np.stack([three[0], two, three[1]]) for three, two in ((left.right, right), (left.squared, squared))
        )
        same = {"these": "all" if together else "alone"} if number not in shared else {}
        found.append(_advice(names[at], number, rights, errors, same, len(train)))
    return found


def _advice(name: str, number: int, rights: Array, errors: Array, same: dict[str, str], clients: int) -> Advice:
    """Judge three heads, ``(3, n)`` in the order of ``WITH``; ``same`` says which of them is another one."""
    options = [at for at, one in enumerate(WITH) if one not in same]
    among = tuple(
        WITH[at] for at in options if not any(_beats(errors[other], errors[at], clients) for other in options)
    )
    best = min(options[1:], key=lambda at: float(errors[at].mean()))
    gains = rights[best] - rights[0]
    return Advice(
        client=name,
        group=number,
        advice=among[0] if len(among) == 1 else None,
        among=among,
        error={one: float(errors[at].mean()) for at, one in enumerate(WITH)},
        accuracy={one: float(rights[at].mean()) for at, one in enumerate(WITH)},
        gain=float(gains.mean()),
        noise=float(gains.std(ddof=1) / np.sqrt(len(gains))) if len(gains) > 1 else None,
    )


def _beats(one: Array, other: Array, clients: int) -> bool:
    """Say whether errors ``(n,)`` are smaller than others beyond noise, though as many clients are looked at."""
    if len(one) < _FEWEST_EXAMPLES:
        return False
    ahead = other - one
    width = float(special.stdtrit(len(one) - 1, 1 - _LEVEL / 2 / clients))
    return float(ahead.mean()) > width * float(ahead.std(ddof=1)) / math.sqrt(len(one))
