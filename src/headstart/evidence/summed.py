"""Arms compared by clients' moments, where their rows stay with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from headstart.core.arrays import Array
from headstart.evidence.each_client import chance_of_coins
from headstart.evidence.metrics import Measure
from headstart.evidence.moments import Moments, paired_moments, whole
from headstart.evidence.outcomes import RIGHT_OR_WRONG, Outcomes
from headstart.evidence.paired import ByClient, Paired
from headstart.evidence.scores import Scores
from headstart.evidence.sides import Entrant, Evidence, Picked, Side, client_units, example_units

Group = Sequence[Moments]
"""Sums of each client over the same arms and seeds."""


@dataclass(frozen=True, eq=False)
class Sums:
    """What clients count of their own test examples, in the place of rows.

    Attributes:
        clients: names.
        groups: of arms that ran with the same seeds, those with the most first; each of all clients.
    """

    clients: tuple[str, ...]
    groups: Sequence[Group]

    @property
    def seen(self) -> Array:
        """Every client that counts took part."""
        return np.ones(len(self.clients), dtype=bool)

    @property
    def examples(self) -> Array:
        """Test examples of each client that were counted ``(clients,)``."""
        return np.array([int(one.count.sum()) for one in self.groups[0]])

    def group(self, *arms: str | None) -> Group | None:
        """Return the sums over the most seeds that some arms have in common; None where they have none."""
        wanted = {arm for arm in arms if arm}
        return next((group for group in self.groups if wanted <= {*group[0].arms}), None)

    def evidence(self, metric: Measure) -> Summed:
        """Return what arms are compared on in a metric of right and wrong."""
        return Summed(self, by_class=metric.by_class)

    def by_client(self, arm: str, other: str) -> ByClient:
        """Compare two arms in accuracy at each client."""
        group = [whole(one) for one in self.group(arm, other) or ()]
        ahead = [_ahead(one, arm, other) for one in group if len(one.count)]
        up, down = np.array(ahead, dtype=np.int64).reshape(-1, 2).T
        return ByClient(_paired(group, arm, other, by_class=False), up, down)


@dataclass(frozen=True, eq=False)
class Summed:
    """What arms are compared on: sums of right and wrong test examples.

    Attributes:
        of: the clients' sums.
        by_class: whether strata are classes, as for balanced accuracy, or whole clients.
        is_share: of right ones.
    """

    of: Sums
    by_class: bool
    is_share: bool = True

    def side(self, arm: str, picked_by: Picked, cost: tuple[float, float, int]) -> Side:
        """Let an arm stand for a side."""
        return Side(arm, picked_by, None, cost)

    def unvalidated(self, arms: Sequence[str], entrants: Mapping[str, Entrant]) -> Side:
        """Pick the cheapest arm: sums cannot be dealt to folds, and no example may pick what it judges."""
        arm = min(arms, key=lambda name: entrants[name].cost)
        return self.side(arm, "cost", entrants[arm].cost)

    def between(self, better: Side, worse: Side) -> Paired:
        """Return the moments of the difference of two sides."""
        return self.compare(better.arm, worse.arm)

    def compare(self, arm: str, other: str | None) -> Paired:
        """Return the moments of an arm's scores, less another's where there is one."""
        return _paired(self.of.group(arm, other) or (), arm, other, by_class=self.by_class)

    def by_chance(self, arm: str, other: str) -> float:
        """Return the share of clients that would look worse off with an arm by chance."""
        found = self.of.by_client(arm, other)
        return chance_of_coins(found.up + found.down) if len(found.up) else float("nan")


def evidence_of(said: Outcomes | Sums | None, scores: Scores, metric: Measure) -> Evidence:
    """Return what a metric's arms are compared on, as finely as it can be."""
    if isinstance(said, Sums) and metric.name in RIGHT_OR_WRONG:
        return said.evidence(metric)
    if isinstance(said, Outcomes) and metric.by_example:
        return example_units(said, metric)
    return client_units(scores, metric)


def _paired(group: Group, arm: str, other: str | None, *, by_class: bool) -> Paired:
    """Return the moments of a difference; nothing of arms that have no seed in common."""
    if group:
        return paired_moments(group, arm, other, by_class=by_class)
    none = np.zeros(0)
    return Paired(none.astype(np.int64), none, none, none, none, np.zeros((1, 0)))


def _ahead(one: Moments, arm: str, other: str) -> tuple[int, int]:
    a, b = one.arms.index(arm), one.arms.index(other)
    return int(one.ahead[0, a, b]), int(one.ahead[0, b, a])
