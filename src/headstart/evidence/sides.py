"""Who stands for a side of a comparison: picked on validation data, so that the test only judges."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, Protocol, get_args

import numpy as np

from headstart.core.arrays import Array
from headstart.core.errors import DataError
from headstart.evidence.each_client import chance_of_hurt
from headstart.evidence.metrics import Measure, measure
from headstart.evidence.outcomes import RIGHT_OR_WRONG, Outcomes
from headstart.evidence.paired import Paired, paired
from headstart.evidence.scores import Scores

Family = Literal["fine-tune", "federate", "both"]
FAMILIES: tuple[Family, ...] = get_args(Family)
Picked = Literal["validation", "cross-fitting", "cost"]
_FOLDS = 5


class Traits(NamedTuple):
    """What an arm is.

    Attributes:
        family: ``fine-tune``: nothing learned from clients' data leaves them; ``federate``: clients learn together and
            keep what they get; ``both``: they learn together, then each for itself. None for a reference, which no
            real client can run.
        from_scratch: whether its start knows nothing.
    """

    family: Family | None
    from_scratch: bool


@dataclass(frozen=True)
class Entrant:
    """What is known of an arm before any test example is looked at.

    Attributes:
        traits: what it is.
        cost: order of cheapness: bytes, then operations, then the order of arms.
        validation: mean score over seen clients and seeds, greater is better; NaN without validation data.
        beaten: whether validation data have dropped it: it may be compared, and is not the arm to use.
    """

    traits: Traits
    cost: tuple[float, float, int]
    validation: float
    beaten: bool = False


@dataclass(frozen=True, eq=False)
class Side:
    """One side of a comparison.

    Attributes:
        arm: that stands for it.
        picked_by: ``validation``; where no client has validation data, ``cross-fitting`` over test examples, or
            ``cost`` where these cannot be told apart.
        values: ``(seeds, units)``; by cross-fitting, each fold's are of the arm that is best on the others; None where
            arms are compared by sums.
        cost: of the arm.
    """

    arm: str
    picked_by: Picked
    values: Array | None
    cost: tuple[float, float, int]


class Evidence(Protocol):
    """What arms are compared on: rows (:class:`Units`), or sums of them."""

    @property
    def is_share(self) -> bool:
        """Whether scores of examples make a share, so that an error below one example's weight means nothing."""

    def side(self, arm: str, picked_by: Picked, cost: tuple[float, float, int]) -> Side:
        """Let an arm stand for a side."""

    def unvalidated(self, arms: Sequence[str], entrants: Mapping[str, Entrant]) -> Side:
        """Pick an arm where none has validation data."""

    def between(self, better: Side, worse: Side) -> Paired:
        """Return the moments of the difference of two sides."""

    def compare(self, arm: str, other: str | None) -> Paired:
        """Return the moments of an arm's scores, less another's where there is one."""

    def by_chance(self, arm: str, other: str) -> float:
        """Return the share of clients that would look worse off with an arm by chance; NaN where examples are none."""


@dataclass(frozen=True, eq=False)
class Units:
    """What arms are compared on: test examples, or whole clients where single examples say nothing.

    Attributes:
        values: per arm ``(seeds, units)``, greater is better; NaN where missing.
        client: ``(units,)`` position of the unit's client.
        stratum: ``(units,)`` integers, see :mod:`headstart.evidence.paired`.
        is_share: whether scores of examples make a share, so that an error below one example's weight means nothing.
        right_or_wrong: whether scores of examples are 0 or 1.
    """

    values: Mapping[str, Array]
    client: Array
    stratum: Array
    is_share: bool
    right_or_wrong: bool

    def paired(self, better: Array, worse: Array) -> Paired:
        """Return the moments of a difference of two sides' values ``(seeds, units)``."""
        return paired(better - worse, self.stratum, self.client)

    def between(self, better: Side, worse: Side) -> Paired:
        """Return the moments of the difference of two sides.

        Raises:
            DataError: a side has no rows.
        """
        if better.values is None or worse.values is None:
            raise DataError(f"sides: '{better.arm}' and '{worse.arm}' must both have rows; make sides from these units")
        return self.paired(better.values, worse.values)

    def compare(self, arm: str, other: str | None) -> Paired:
        """Return the moments of an arm's scores, less another's where there is one."""
        values = self.values[arm]
        return paired(values if other is None else values - self.values[other], self.stratum, self.client)

    def by_chance(self, arm: str, other: str) -> float:
        """Return the share of clients that would look worse off with an arm by chance."""
        if not self.right_or_wrong:
            return math.nan
        return chance_of_hurt(self.values[arm] - self.values[other], self.client)

    def side(self, arm: str, picked_by: Picked, cost: tuple[float, float, int]) -> Side:
        """Let an arm stand for a side."""
        return Side(arm, picked_by, self.values[arm], cost)

    def unvalidated(self, arms: Sequence[str], entrants: Mapping[str, Entrant]) -> Side:
        """Judge each fold of the units by the arm that is best on the others."""
        return _cross_fitted(arms, entrants, self)

    def strength(self, arm: str, kept: Array) -> float:
        """Return an arm's mean over clients on some units ``(units,)`` bool; -inf without any."""
        moments = paired(self.values[arm][:, kept], self.stratum[kept], self.client[kept])
        return float(moments.client_means.mean()) if len(moments.count) else -math.inf

    @property
    def folds(self) -> Array:
        """Deal every client's units to five folds in turn ``(units,)``; clients themselves where they are the units."""
        if len(np.unique(self.client)) == len(self.client):
            return self.client % _FOLDS
        order = np.argsort(self.client, kind="stable")
        owners = self.client[order]
        starts = np.flatnonzero(np.r_[True, owners[1:] != owners[:-1]])
        rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.r_[starts, len(order)]))
        folds = np.empty(len(order), dtype=np.int64)
        folds[order] = rank % _FOLDS
        return folds


def example_units(outcomes: Outcomes, metric: Measure | str) -> Units:
    """Return test examples of decisive clients as units."""
    # Held-out clients decide where no seen one has a test example.
    seen = np.flatnonzero(outcomes.seen & (outcomes.examples > 0))
    kept = np.isin(outcomes.owner, seen) if len(seen) else outcomes.owner >= 0
    owner, labels = outcomes.owner[kept], outcomes.labels[kept]
    classes, of = int(labels.max(initial=0)) + 1, measure(metric)
    return Units(
        values={arm: outcomes.scores(arm, of)[:, kept] for arm in outcomes.arms},
        client=owner,
        stratum=owner * classes + labels if of.by_class else owner,
        is_share=of.is_share,
        right_or_wrong=of.name in RIGHT_OR_WRONG,
    )


def client_units(scores: Scores, metric: Measure | str) -> Units:
    """Return decisive clients as units, by their scores."""
    clients, sign = np.arange(len(scores.clients)), measure(metric).sign
    values = {arm: sign * scores.of(arm) for arm in scores.arms}
    return Units(values, clients, clients, is_share=False, right_or_wrong=False)


def pick(arms: Sequence[str], entrants: Mapping[str, Entrant], units: Evidence) -> Side | None:
    """Pick the arm that stands for some; None of none.

    It is the one with the best validation score, the cheaper of equals. Without any validation data each fold of the
    test examples is judged by the arm that is best on the other folds, so that no example picks what it judges; where
    only their sums are known, the cheapest arm stands.

    Args:
        arms: names.
        entrants: what is known of them.
        units: what they are compared on.
    """
    if not arms:
        return None
    validated = [arm for arm in arms if math.isfinite(entrants[arm].validation)]
    if not validated:
        return units.unvalidated(arms, entrants)
    best = min(validated, key=lambda arm: (-entrants[arm].validation, entrants[arm].cost))
    return units.side(best, "validation", entrants[best].cost)


def _cross_fitted(arms: Sequence[str], entrants: Mapping[str, Entrant], units: Units) -> Side:
    def best(kept: Array) -> str:
        return min(arms, key=lambda arm: (-units.strength(arm, kept), entrants[arm].cost))

    # Each fold's arm has the same seeds, or examples of some folds would lack those that others have.
    common = np.logical_and.reduce([np.isfinite(units.values[arm]).any(axis=1) for arm in arms])
    if common.any():
        units = replace(units, values={arm: np.where(common[:, None], units.values[arm], np.nan) for arm in arms})
    folds = units.folds
    values = np.full_like(units.values[arms[0]], np.nan)
    for fold in range(_FOLDS):
        values[:, folds == fold] = units.values[best(folds != fold)][:, folds == fold]
    arm = best(folds >= 0)
    return Side(arm, "cross-fitting", values, entrants[arm].cost)
