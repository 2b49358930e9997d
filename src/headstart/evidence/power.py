"""Power: what can be decided with so much data, before any run, and what is lacking after."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from headstart.core.arrays import Array
from headstart.evidence.contrast import FEWEST_CLIENTS, FEWEST_SEEDS, Contrast, Scope, satterthwaite

EXAMPLES, WITHIN, SEEDS, CLIENTS = 0.06, 0.09, 0.007, 0.03
"""Typical spreads of a difference of two arms' correctness, from studies on 18 data sets: variance over test examples;
variance over seeds within an example; standard deviations over seeds of the mean, and over clients."""
EXAMPLES_RANGE = (0.03, 0.15)
"""What the variance over test examples was at its smallest and largest."""
_MOST_SEEDS, _MOST_GROWTH = 30, 1000


@dataclass(frozen=True)
class Design:
    """What decides how small a difference a study can see.

    Attributes:
        counts: test examples of each decisive client.
        seeds: of every arm.
        families: that are compared.
        confidence: in (0, 1).
        scope: of which clients the answer speaks.
    """

    counts: tuple[int, ...]
    seeds: int
    families: int
    confidence: float
    scope: Scope

    @property
    def tail(self) -> float:
        """What each one-sided comparison may err."""
        return (1 - self.confidence) / max(1, self.families - 1)


@dataclass(frozen=True)
class Needed:
    """What would decide a study, each alone; None where that alone cannot.

    Attributes:
        examples: more test examples, in all.
        seeds: more of them.
        clients: more of them; only of clients like these.
    """

    examples: int | None = None
    seeds: int | None = None
    clients: int | None = None


def smallest_effect(design: Design, spread: float = EXAMPLES) -> float:
    """Return the smallest ``min_effect`` at which equal families are decided; infinite where nothing can be claimed.

    Args:
        design: of the study.
        spread: variance over test examples of a difference in correctness.

    >>> design = Design((146,) * 10, seeds=3, families=3, confidence=0.95, scope="these")
    >>> round(smallest_effect(design), 4)
    0.02
    """
    counts = np.array([count for count in design.counts if count], dtype=np.float64)
    clients = len(counts)
    if design.seeds < FEWEST_SEEDS or not clients or (design.scope == "like these" and clients < FEWEST_CLIENTS):
        return math.inf
    between = (WITHIN * float((1 / counts).sum()) / clients**2 + SEEDS**2) / design.seeds
    sampling, df = _sampling(counts, spread, design.scope)
    if not df > 0:
        return math.inf
    total = sampling + between
    freedom = satterthwaite(sampling, df, between, design.seeds - 1)
    return float(special.stdtrit(freedom, 1 - design.tail)) * math.sqrt(total)


def _sampling(counts: Array, spread: float, scope: Scope) -> tuple[float, float]:
    """Return the expected variance by the choice of examples or clients, and its degrees of freedom."""
    clients = len(counts)
    if scope == "like these":
        return float((CLIENTS**2 + spread / counts).mean()) / clients, clients - 1.0
    parts = spread / counts / clients**2
    # A client of one example varies as the others do.
    freedom = np.where(counts > 1, counts - 1, max(1.0, float(counts.sum()) - clients))
    return float(parts.sum()), float(parts.sum() ** 2 / (parts**2 / freedom).sum()) if counts.sum() > clients else 0.0


def ways_out(design: Design, min_effect: float) -> Needed:
    """Return what would let a planned study decide at ``min_effect``, each alone.

    >>> ways_out(Design((100,) * 10, seeds=3, families=3, confidence=0.95, scope="these"), 0.02)
    Needed(examples=470, seeds=2, clients=None)
    """

    def enough(other: Design) -> bool:
        return smallest_effect(other) <= min_effect

    total = sum(design.counts)
    growth = _first(lambda percent: enough(_grown(design, 1 + percent / 100)), 100 * _MOST_GROWTH)
    seeds = _first(lambda more: enough(replace(design, seeds=design.seeds + more)), _MOST_SEEDS)
    typical = max(1, round(total / max(1, len(design.counts))))
    clients = None
    if design.scope == "like these":
        clients = _first(lambda more: enough(replace(design, counts=(*design.counts, *[typical] * more))), 10_000)
    return Needed(None if growth is None else math.ceil(total * growth / 100), seeds, clients)


def _grown(design: Design, factor: float) -> Design:
    return replace(design, counts=tuple(math.ceil(count * factor) for count in design.counts))


def _first(enough: Callable[[int], bool], most: int) -> int | None:
    """Return the smallest number that is enough, by bisection; None if even the largest is not."""
    if not enough(most):
        return None
    low, high = 0, most
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low


def needed(rivals: Sequence[Contrast], min_effect: float, tail: float) -> Needed:
    """Return what an undecided study lacks.

    Args:
        rivals: by how much each other family is better than the leader.
        min_effect: the smallest difference that matters.
        tail: what each one-sided comparison may err.
    """
    open_ones = [one for one in rivals if one.ends(tail)[1] > min_effect]
    return Needed(
        examples=_most([_more_examples(one, min_effect, tail) for one in open_ones if one.scope == "these"]),
        seeds=_most([_more_seeds(one, min_effect, tail) for one in open_ones]),
        clients=_most([_more_clients(one, min_effect, tail) for one in open_ones if one.scope == "like these"]),
    )


def _most(numbers: Sequence[int | None]) -> int | None:
    """Return what is enough for all; None if one can never have enough."""
    known = [number for number in numbers if number is not None]
    return max(known) if known and len(known) == len(numbers) else None


def _goal(found: Contrast, min_effect: float, tail: float) -> float:
    """Return the squared standard error that would decide; NaN where the gap itself is too large."""
    room = min_effect - found.gap
    return (room / found.quantile(tail)) ** 2 if room > 0 else math.nan


def _seed_noise(found: Contrast) -> float:
    """Return the variance between seeds that is no single example's luck."""
    return max(0.0, found.between - found.within)


def _more_examples(found: Contrast, min_effect: float, tail: float) -> int | None:
    left = _goal(found, min_effect, tail) - _seed_noise(found) / found.seeds
    if not left > 0:
        return None
    each = found.examples * (found.sampling + found.within / found.seeds)
    return max(1, math.ceil(each / left) - found.examples)


def _more_seeds(found: Contrast, min_effect: float, tail: float) -> int | None:
    # Single examples' luck is in both parts, and fewer seeds have more of it.
    luck = found.within if found.scope == "these" else 0.0
    left = _goal(found, min_effect, tail) - max(0.0, found.sampling - luck / found.seeds)
    if not left > 0:
        return None
    return max(1, math.ceil((luck + max(found.within, 0.0) + _seed_noise(found)) / left) - found.seeds)


def _more_clients(found: Contrast, min_effect: float, tail: float) -> int | None:
    left = _goal(found, min_effect, tail) - found.between / found.seeds
    if not left > 0:
        return None
    return max(1, math.ceil(found.clients * found.sampling / left) - found.clients)
