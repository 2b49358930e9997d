"""Strata of targets: classes by which examples are split and clients compared, where a task has none."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from headstart.core.arrays import Array
from headstart.core.task import TaskKind
from headstart.data.targets import Targets

_PARTS = 5
"""Parts of equal size into which a number is cut, so that every split has small and large ones."""

Strata = tuple[Array, tuple[str, ...]]
"""Of each example, -1 where it has no target; and their names."""


def strata_of(targets: Targets) -> Strata:
    """Return each example's stratum ``(examples,)`` int64, and their names.

    A number, or the first of several, is cut at its quintiles; of several labels the rarest counts that an example has;
    of survival whether the event was seen.

    >>> from headstart.core.task import Task
    >>> ages = Targets(Task(kind="regression", outputs=("age",)), np.arange(10.0)[:, None])
    >>> strata_of(ages)[1]
    ('below 1.8', '1.8 to 3.6', '3.6 to 5.4', '5.4 to 7.2', '7.2 or more')
    """
    found, names = _OF[targets.task.kind](targets.values, targets.task.outputs)
    return np.where(np.isfinite(targets.values).all(1), found, -1).astype(np.int64), names


def _by_rarest_label(values: Array, outputs: tuple[str, ...]) -> Strata:
    has = values == 1
    rarest_first = np.argsort(has.sum(0), kind="stable")
    found = rarest_first[has[:, rarest_first].argmax(1)]
    return np.where(has.any(1), found, len(outputs)), (*outputs, "none")


def _by_quantile(values: Array, _outputs: tuple[str, ...]) -> Strata:
    known = values[np.isfinite(values[:, 0]), 0]
    if not len(known):
        return np.zeros(len(values)), ("any",)
    cuts = np.unique(np.quantile(known, np.arange(1, _PARTS) / _PARTS))
    cuts = cuts[cuts > known.min()]
    return np.searchsorted(cuts, values[:, 0], side="right"), _between(cuts)


def _between(cuts: Array) -> tuple[str, ...]:
    if not len(cuts):
        return ("any",)
    ends = [_short(cut, cuts) for cut in cuts]
    inner = [f"{low} to {high}" for low, high in pairwise(ends)]
    return (f"below {ends[0]}", *inner, f"{ends[-1]} or more")


def _short(cut: float, cuts: Array) -> str:
    """Write a cut with as many digits as keep all cuts apart."""
    digits = next((n for n in range(3, 17) if len({f"{one:.{n}g}" for one in cuts}) == len(cuts)), 17)
    return f"{cut:.{digits}g}"


def _by_event(values: Array, _outputs: tuple[str, ...]) -> Strata:
    return values[:, -1] == 1, ("followed", "event")


_OF: dict[TaskKind, Callable[[Array, tuple[str, ...]], Strata]] = {
    "multilabel": _by_rarest_label,
    "regression": _by_quantile,
    "survival": _by_event,
}
