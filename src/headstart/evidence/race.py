"""The race: validation data drop arms and the test decides at a few looks, so that an answer comes soon.

The error that is allowed is spent over the looks, with Bonferroni's inequality, so that stopping early costs nothing
of the guarantee; validation data may drop arms at any time, for the test judges only who is left.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy import special

from headstart.core.arrays import Array
from headstart.evidence.contrast import FEWEST_CLIENTS, FEWEST_SEEDS
from headstart.evidence.sides import Family

Until = Literal["decided", "all"]
Ended = Literal["decided", "last look", "time", "all"]

_FIRST, _SCREEN = 0.2, 0.1
"""Shares of the error that the first of two looks may spend, and the look at heads alone that screens families."""
_ENOUGH = 2.0
"""Standard errors behind its family's best at which an arm is dropped, of many clients; of few, as rarely by chance."""


class Look(NamedTuple):
    """When the test is looked at.

    Attributes:
        seeds: that are finished then.
        alpha: error that it may spend.
    """

    seeds: int
    alpha: float


class Taken(NamedTuple):
    """A look that is past.

    Attributes:
        seeds: that were finished.
        alpha: error that it spent.
        arms: that were judged.
        answer: that it gave; None where it decided nothing.
    """

    seeds: int
    alpha: float
    arms: int
    answer: Family | None


OutKind = Literal["dropped", "screened", "excluded", "represented", "reference", "time"]


class Out(NamedTuple):
    """Why an arm does not go on.

    Attributes:
        kind: ``dropped`` behind its family's best on validation data; ``screened``: its family is too far behind for
            deep arms to catch up; ``excluded`` with its family at a look; ``represented`` by another arm; a
            ``reference``, which is no answer; ``time``: there was none left.
        seeds: that it had when it went out.
        why: in words.
    """

    kind: OutKind
    seeds: int
    why: str


@dataclass(frozen=True)
class Race:
    """Where a race stands.

    Attributes:
        until: what it runs for: until it is ``decided``, or until ``all`` is run.
        ended: why it is over; None while it goes on: what is said is said so far.
        taken: looks at which the test may decide, that are past.
        coming: those that may follow; of a race that is over, those that were not needed.
        out: arms that do not go on, in the order in which they went out.
        left: arms that still have something to run before the next look.
        headroom: how far a family's heads must surely be behind for its deep arms not to be run; None runs them.
    """

    until: Until = "decided"
    ended: Ended | None = None
    taken: tuple[Taken, ...] = ()
    coming: tuple[Look, ...] = ()
    out: Mapping[str, Out] = field(default_factory=dict)
    left: tuple[str, ...] = ()
    headroom: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Return plain values that JSON can say."""
        out = {arm: one._asdict() for arm, one in self.out.items()}
        looks = {"taken": [one._asdict() for one in self.taken], "coming": [one._asdict() for one in self.coming]}
        return {**asdict(self), **looks, "out": out, "left": list(self.left)}


def looks(seeds: int, alpha: float, *, screens: bool = False) -> tuple[Look, ...]:
    """Return when the test is looked at: at three seeds and at the last; once where there are no more than three.

    Args:
        seeds: of the study.
        alpha: error allowed in all, in (0, 1).
        screens: whether a look at heads alone screens families; it comes first.

    >>> looks(5, 0.05), looks(3, 0.05)
    ((Look(seeds=3, alpha=0.01), Look(seeds=5, alpha=0.04)), (Look(seeds=3, alpha=0.05),))
    >>> [round(look.alpha, 3) for look in looks(5, 0.05, screens=True)]
    [0.005, 0.01, 0.035]
    """
    times = [FEWEST_SEEDS, seeds] if seeds > FEWEST_SEEDS else [seeds]
    shares = [_FIRST] * (len(times) - 1)
    if screens:
        times, shares = [times[0], *times], [_SCREEN, *shares]
    shares.append(1 - sum(shares))
    return tuple(Look(time, round(share * alpha, 12)) for time, share in zip(times, shares, strict=True))


class Deficit(NamedTuple):
    """By how much an arm is behind another on validation data, over clients.

    Attributes:
        mean: of clients' differences; positive: it is behind.
        se: standard error over clients; NaN with fewer than two.
        clients: that were compared.
    """

    mean: float
    se: float
    clients: int

    @property
    def is_beaten(self) -> bool:
        """Whether it is further behind than chance explains: of few clients the standard error itself is a guess."""
        if self.clients < FEWEST_CLIENTS:
            return False
        enough = float(special.stdtrit(self.clients - 1, special.ndtr(_ENOUGH)))
        return self.mean > enough * self.se and self.mean > 0


def deficit(best: Array, arm: Array) -> Deficit:
    """Compare an arm with another on the seeds that both have.

    Args:
        best: scores ``(seeds, clients)`` on validation data, greater is better; NaN where missing.
        arm: likewise.

    >>> best, arm = np.array([[0.9, 0.8, 0.9], [0.9, 0.9, 0.9]]), np.array([[0.8, 0.6, 0.8], [0.8, 0.8, 0.7]])
    >>> found = deficit(best, arm)
    >>> round(found.mean, 3), round(found.se, 3), found.is_beaten
    (0.133, 0.017, True)
    """
    difference = best - arm
    common = difference[np.isfinite(difference).any(axis=1)]
    present = np.isfinite(common).all(axis=0)
    clients = common[:, present].mean(axis=0) if len(common) else np.empty(0)
    if not len(clients):
        return Deficit(math.nan, math.nan, 0)
    se = float(clients.std(ddof=1) / math.sqrt(len(clients))) if len(clients) > 1 else math.nan
    return Deficit(float(clients.mean()), se, len(clients))


def beaten(arms: Mapping[str, Array], costs: Mapping[str, tuple[float, float, int]]) -> dict[str, tuple[str, Deficit]]:
    """Name the arms of a family that its best is ahead of by more than two standard errors, see :class:`Deficit`.

    Args:
        arms: scores ``(seeds, clients)`` on validation data, greater is better; NaN where missing.
        costs: order of cheapness, which breaks ties.

    Returns:
        For each such arm, which one is ahead of it, and by how much.
    """
    means = {arm: _mean(values) for arm, values in arms.items()}
    ranked = sorted((arm for arm in arms if math.isfinite(means[arm])), key=lambda arm: (-means[arm], costs[arm]))
    found: dict[str, tuple[str, Deficit]] = {}
    for arm in ranked[1:]:
        behind = deficit(arms[ranked[0]], arms[arm])
        if behind.is_beaten:
            found[arm] = (ranked[0], behind)
    return found


def comparable(ran: Collection[tuple[str, int]], families: Mapping[str, Family | None]) -> frozenset[int]:
    """Return the seeds on which runs that are not of one plan can be judged: those that most families have an arm with.

    All of them, unless fewer let more families be compared, and are enough to claim anything.

    Args:
        ran: finished runs, by arm and seed.
        families: of the arms that must have them all; of None, a reference, seeds do not count.

    >>> ran = {("ridge", 0), ("ridge", 1), ("ridge", 2), ("ridge", 3), ("local", 0), ("local", 1), ("local", 2)}
    >>> sorted(comparable(ran, {"ridge": "federate", "local": "fine-tune"}))
    [0, 1, 2]
    >>> sorted(comparable({*ran} - {("local", 2)}, {"ridge": "federate", "local": "fine-tune"}))
    [0, 1, 2, 3]
    """
    own = {arm: frozenset(seed for one, seed in ran if one == arm) for arm, family in families.items() if family}
    have = Counter(seed for seeds in own.values() for seed in seeds)
    options = [frozenset(seed for seed, count in have.items() if count >= least) for least in {*have.values()}]
    there = {seeds: {families[arm] for arm, has in own.items() if seeds <= has} for seeds in options}
    enough = [seeds for seeds in options if len(seeds) >= FEWEST_SEEDS and len(there[seeds]) > 1]
    everything = frozenset(seed for _, seed in ran)
    return max(enough, key=lambda seeds: (len(there[seeds]), len(seeds)), default=everything)


def _mean(values: Array) -> float:
    present = np.isfinite(values)
    return float(values[present].mean()) if present.any() else math.nan
