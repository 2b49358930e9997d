"""Predictions beside the truth, of many clients at once: what every metric is computed from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from headstart.core.arrays import Array
from headstart.core.errors import DataError
from headstart.core.task import Task


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """How predictions are scored for a decision.

    Attributes:
        metric: that decides, see ``MEASURES``, or ``package.module:function``.
        positive: position of the class that is looked for; None takes the last of two, and none of more.
        specificity: at which sensitivity is read, in (0, 1).
    """

    metric: str = "accuracy"
    positive: int | None = None
    specificity: float = 0.95

    def positive_of(self, task: Task) -> int | None:
        """Return which class is looked for; None where nobody said."""
        return 1 if self.positive is None and task.num_outputs == 2 else self.positive


@dataclass(frozen=True, eq=False)
class Scored:
    """Rows of truth and predictions as the task says, see :class:`~headstart.core.task.Task`.

    Attributes:
        truth: of each row ``(n, …)``.
        predictions: likewise.
        client_of: client index of each row ``(n,)`` int, in ``0 … num_clients - 1``.
        num_clients: number of clients.
        task: what both mean.
        scoring: of the decision.
        cuts: by metric the threshold above which a row counts as positive ``(n, labels)``, NaN for none; a metric
            that is not there chooses its own on these very rows, as is done on validation data.

    Raises:
        DataError: shapes disagree, or a class or client index is out of range.
    """

    truth: Array
    predictions: Array
    client_of: Array
    num_clients: int
    task: Task
    scoring: Scoring = Scoring()
    cuts: Mapping[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rows, wide = len(self.truth), self.predictions.ndim == 2
        if not wide or len(self.predictions) != rows or self.client_of.shape != (rows,) or not self._truth_fits():
            raise DataError(
                f"metrics: labels, probabilities and client_of need one row per example, got shapes "
                f"{self.truth.shape}, {self.predictions.shape} and {self.client_of.shape}; pass "
                "(n,), (n, classes) and (n,)"
            )
        if self.task.kind == "classification":
            _check_range("labels", self.truth, self.predictions.shape[1], "columns of probabilities")
        _check_range("client_of", self.client_of, self.num_clients, "clients")

    def _truth_fits(self) -> bool:
        if self.task.kind == "classification":
            return self.truth.ndim == 1
        width = 2 if self.task.kind == "survival" else self.predictions.shape[1]
        return bool(self.truth.shape[1:] == (width,))

    @cached_property
    def examples(self) -> Array:
        """Rows of each client ``(clients,)``."""
        return np.bincount(self.client_of, minlength=self.num_clients).astype(np.float64)

    @cached_property
    def finite(self) -> Array:
        """Which rows are predicted by finite numbers ``(n,)``."""
        return np.asarray(np.isfinite(self.predictions).all(axis=1))

    def means(self, values: Array) -> Array:
        """Average rows' values ``(n,)`` by client ``(clients,)``; NaN without rows."""
        return ratio(np.bincount(self.client_of, weights=values, minlength=self.num_clients), self.examples)

    def counts(self, classes: Array, num_classes: int, kept: Array | None = None) -> Array:
        """Count rows, or some of them, per client and class ``(clients, classes)``."""
        cells = self.client_of.astype(np.int64) * num_classes + classes
        cells = cells if kept is None else cells[kept]
        return np.bincount(cells, minlength=self.num_clients * num_classes).reshape(self.num_clients, num_classes)


def ratio(part: Array, whole: Array) -> Array:
    """Divide; NaN where the whole is not above 0."""
    shares: Array = np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0)
    return shares


def nan_mean(values: Array) -> float:
    """Mean of the values that are there; NaN when none is."""
    return float(nan_means(np.reshape(values, -1), 0))


def nan_means(values: Array, axis: int) -> Array:
    """Means over one axis of the values that are there; NaN where none is."""
    present = np.isfinite(values)
    return ratio(np.where(present, values, 0.0).sum(axis=axis), present.sum(axis=axis))


def low_quantile(values: Array, share: float) -> float:
    """Quantile of the values that are there, interpolated linearly; NaN when none is."""
    present = values[np.isfinite(values)]
    return float(np.quantile(present, share)) if present.size else float("nan")


def _check_range(name: str, values: Array, limit: int, of: str) -> None:
    if values.size and not (values.min() >= 0 and values.max() < limit):
        raise DataError(
            f"metrics: {name} must lie in 0 … {limit - 1} (one of the {limit} {of}), "
            f"got {values.min()} … {values.max()}; drop or relabel those rows"
        )
