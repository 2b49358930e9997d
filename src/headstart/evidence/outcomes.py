"""What arms said of every client's own test examples, one by one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headstart.core.arrays import Array
from headstart.core.errors import DataError, nearest
from headstart.evidence.metrics import Measure, measure
from headstart.evidence.paired import ByClient, of_runs, paired

RIGHT_OR_WRONG = ("accuracy", "balanced_accuracy")
"""Metrics by which an example is right or wrong."""

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
        labels: ``(rows,)`` the true classes; strata of another task's targets.
        predicted: ``(arms, seeds, rows)`` classes; negative where a run is missing or left the client out; None of
            other tasks than classification.
        parts: ``(arms, seeds, rows)`` of a metric that is a mean of them, see
            :func:`~headstart.evidence.metrics.example_parts`, NaN where missing; None where they were not kept.
        metric: whose parts they are.
    """

    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    clients: tuple[str, ...]
    seen: Array
    owner: Array
    labels: Array
    predicted: Array | None
    parts: Array | None = None
    metric: str = ""

    def __post_init__(self) -> None:
        expected = (len(self.arms), len(self.seeds), len(self.owner))
        shapes = {values.shape for values in (self.predicted, self.parts) if values is not None}
        if shapes != {expected} or self.labels.shape != expected[2:]:
            got = ", ".join(map(str, sorted(shapes)))
            raise DataError(
                f"outcomes: predicted must be (arms, seeds, rows) = {expected} and labels {expected[2:]}, got "
                f"{got} and {self.labels.shape}; gather them again"
            )

    def scores(self, arm: str, metric: Measure | str) -> Array:
        """Return one score per seed and example ``(seeds, rows)``, greater is better; NaN where there is none.

        Raises:
            DataError: there is no such arm, or parts are asked for and were not kept.
        """
        of = measure(metric)
        if arm not in self.arms:
            raise DataError(f"outcomes: no arm '{arm}'; {nearest(arm, self.arms)}")
        at = self.arms.index(arm)
        if of.name in RIGHT_OR_WRONG and self.predicted is not None:
            return np.where(self.predicted[at] < 0, np.nan, self.predicted[at] == self.labels)
        if self.parts is None or of.name != self.metric:
            raise DataError(f"outcomes: '{of.name}' needs its parts of examples; run the study with that metric")
        values: Array = of.sign * self.parts[at]
        return values

    def by_client(self, arm: str, other: str) -> ByClient:
        """Compare two arms in accuracy at each client.

        Raises:
            DataError: there is no such arm.
        """
        difference = of_runs(self.scores(arm, "accuracy") - self.scores(other, "accuracy"))
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
