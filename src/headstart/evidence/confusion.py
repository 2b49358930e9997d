"""What the families' arms took for what, client by client: of few clients all, of many those that stand out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from headstart.core.arrays import Array
from headstart.evidence.outcomes import Outcomes
from headstart.evidence.summed import Sums

_ALL, _EXTREMES, _MOST_CLASSES = 60, 20, 100
"""Clients up to which all are told of, how many of each kind are of more, and classes beyond which none is."""


def confusions(said: Outcomes | Sums | None, arms: Sequence[str]) -> dict[str, Any]:
    """Count what some arms took for what, over all seeds; empty where single predictions are not known.

    Args:
        said: what arms predicted.
        arms: names, the one to compare with the others first.

    Returns:
        ``arms``, ``classes`` (their number) and ``clients``: by name, per arm, a flat list of pairs: a cell's place
        (the true class times the number of classes, plus the predicted one) and its count.
    """
    if not isinstance(said, Outcomes) or said.predicted is None or not len(said.labels) or not arms:
        return {}
    classes = 1 + max(int(said.labels.max()), int(said.predicted.max()))
    if classes > _MOST_CLASSES:
        return {}
    places = [said.arms.index(arm) for arm in arms]
    cells = {said.clients[client]: [_cells(said, place, client, classes) for place in places]
             for client in _told(said, arms)}  # fmt: skip
    return {"arms": list(arms), "classes": classes, "clients": cells}


def _cells(said: Outcomes, arm: int, client: int, classes: int) -> list[int]:
    begin, end = np.searchsorted(said.owner, [client, client + 1])
    predicted = (said.predicted if said.predicted is not None else said.labels[None, None])[arm, :, begin:end]
    code = said.labels[begin:end].astype(np.int64) * classes + predicted
    found, count = np.unique(code[predicted >= 0], return_counts=True)
    return [int(number) for pair in zip(found, count, strict=True) for number in pair]


def _told(said: Outcomes, arms: Sequence[str]) -> list[int]:
    """Return the places of clients that are told of, ascending: those best, worst and most changed, of many."""
    if len(said.clients) <= _ALL:
        return list(range(len(said.clients)))
    accuracies = np.stack([_accuracy(said, arm) for arm in arms])
    return sorted(set(_extremes(accuracies)))


def _extremes(accuracies: Array) -> Iterator[int]:
    """Yield which clients of ``(arms, clients)`` stand out."""
    own, change = accuracies[0], np.abs(accuracies[1:] - accuracies[0]).max(axis=0, initial=0.0)
    for order in (own, -own, -change):
        yield from (int(at) for at in np.argsort(order, kind="stable")[:_EXTREMES] if np.isfinite(own[at]))


def _accuracy(said: Outcomes, arm: str) -> Array:
    """Return an arm's accuracy at each client ``(clients,)``; NaN without test examples."""
    right = np.nan_to_num(said.scores(arm, "accuracy")).mean(axis=0)
    with np.errstate(invalid="ignore"):
        found: Array = np.bincount(said.owner, right, len(said.clients)) / said.examples
    return found
