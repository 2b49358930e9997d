"""What arms said of every client's own test examples, one by one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headstart.core.arrays import Array
from headstart.core.errors import DataError, nearest
from headstart.evidence.metrics import LOWER_IS_BETTER
from headstart.evidence.paired import ByClient, paired

RIGHT_OR_WRONG = ("accuracy", "balanced_accuracy")
"""Metrics by which an example is right or wrong."""

EXAMPLE_METRICS = (*RIGHT_OR_WRONG, "log_loss")
"""Metrics that are means over examples; of others only clients' scores can be compared."""

_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Outcomes:
    """The predictions of a study's runs on the view *test*.

    Attributes:
        arms: names.
        seeds: of the runs.
        clients: names, in the federation's order.
        seen: ``(clients,)`` bool, false for held-out clients.
        owner: ``(rows,)`` the position of each example's client, ascending.
        labels: ``(rows,)`` the true classes.
        predicted: ``(arms, seeds, rows)`` classes; negative where a run is missing or left the client out.
        losses: ``(arms, seeds, rows)`` log loss, NaN where missing; None where it was not kept.
    """

    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    clients: tuple[str, ...]
    seen: Array
    owner: Array
    labels: Array
    predicted: Array
    losses: Array | None = None

    def __post_init__(self) -> None:
        expected = (len(self.arms), len(self.seeds), len(self.owner))
        if self.predicted.shape != expected or self.labels.shape != expected[2:]:
            raise DataError(
                f"outcomes: predicted must be (arms, seeds, rows) = {expected} and labels {expected[2:]}, got "
                f"{self.predicted.shape} and {self.labels.shape}; gather them again"
            )

    def scores(self, arm: str, metric: str) -> Array:
        """Return one score per seed and example ``(seeds, rows)``, greater is better; NaN where there is none.

        Raises:
            DataError: there is no such arm, or losses are asked for and were not kept.
        """
        if arm not in self.arms:
            raise DataError(f"outcomes: no arm '{arm}'; {nearest(arm, self.arms)}")
        at = self.arms.index(arm)
        if metric not in LOWER_IS_BETTER:
            return np.where(self.predicted[at] < 0, np.nan, self.predicted[at] == self.labels)
        if self.losses is None:
            raise DataError(f"outcomes: '{metric}' needs the losses of examples; set evaluation.losses = true")
        values: Array = -self.losses[at]
        return values

    def by_client(self, arm: str, other: str) -> ByClient:
        """Compare two arms in accuracy at each client.

        Raises:
            DataError: there is no such arm.
        """
        difference = self.scores(arm, "accuracy") - self.scores(other, "accuracy")
        found = paired(difference, self.owner, self.owner)
        each = np.where(np.isfinite(difference).all(axis=0), difference.mean(axis=0), np.nan)
        # A mean over seeds of differences may miss 0 by rounding.
        up, down = (self._count(sign * each > _ROUNDING)[found.client] for sign in (1, -1))
        return ByClient(found, up, down)

    @property
    def examples(self) -> Array:
        """Test examples of each client ``(clients,)``."""
        return self._count(self.owner >= 0)

    def _count(self, rows: Array) -> Array:
        """Count some rows by client."""
        counts: Array = np.bincount(self.owner[rows], minlength=len(self.clients))
        return counts
