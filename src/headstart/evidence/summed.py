"""Arms compared by clients' moments, where their rows stay with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headstart.evidence.moments import Moments, paired_moments
from headstart.evidence.paired import Paired
from headstart.evidence.sides import Entrant, Picked, Side


@dataclass(frozen=True, eq=False)
class Summed:
    """What arms are compared on: sums of right and wrong test examples.

    Attributes:
        clients: the sums of each.
        by_class: whether strata are classes, as for balanced accuracy, or whole clients.
        right_or_wrong: whether scores of examples are 0 or 1.
    """

    clients: Sequence[Moments]
    by_class: bool
    right_or_wrong: bool = True

    def side(self, arm: str, picked_by: Picked, cost: tuple[float, float, int]) -> Side:
        """Let an arm stand for a side."""
        return Side(arm, picked_by, None, cost)

    def unvalidated(self, arms: Sequence[str], entrants: Mapping[str, Entrant]) -> Side:
        """Pick the cheapest arm: sums cannot be dealt to folds, and no example may pick what it judges."""
        arm = min(arms, key=lambda name: entrants[name].cost)
        return self.side(arm, "cost", entrants[arm].cost)

    def between(self, better: Side, worse: Side) -> Paired:
        """Return the moments of the difference of two sides."""
        return paired_moments(self.clients, better.arm, worse.arm, by_class=self.by_class)
