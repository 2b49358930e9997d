"""Targets: what is to be predicted of each example, where that is not one class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from headstart.core.arrays import Array
from headstart.core.errors import DataError
from headstart.core.task import Task, TaskKind


@dataclass(frozen=True, eq=False)
class Targets:
    """The truth of every example of a task that is no classification.

    Attributes:
        task: what the values mean.
        values: ``(examples, …)`` float64, as the task says; a regression's in the targets' own units. NaN where a
            central pool has none.
    """

    task: Task
    values: Array

    def take(self, indices: Array) -> Targets:
        """Copy the values of these examples."""
        return Targets(self.task, self.values[indices])

    @property
    def in_words(self) -> str:
        """What they are, and how they lie."""
        return _WORDS[self.task.kind](self)

    def scaled(self, rows: Array) -> Targets:
        """Let a regression's head predict in standard deviations of these examples' targets.

        Raises:
            DataError: a target is the same in all of them.
        """
        if self.task.kind != "regression":
            return self
        centers, scales = self.values[rows].mean(0), self.values[rows].std(0)
        same = np.flatnonzero(~(scales > 0))
        if len(same):
            raise DataError(
                f"data.label: a regression needs numbers that differ, received {centers[same[0]]:g} as "
                f"'{self.task.outputs[same[0]]}' of all {len(rows)} examples outside test; name another column"
            )
        return replace(self, task=replace(self.task, centers=tuple(centers.tolist()), scales=tuple(scales.tolist())))


def _labels_in_words(targets: Targets) -> str:
    counts = zip(targets.task.outputs, np.nansum(targets.values, 0), strict=True)
    return f"{targets.task.num_outputs} labels: {', '.join(f'{name} {count:,.0f}' for name, count in counts)}"


def _numbers_in_words(targets: Targets) -> str:
    ranges = zip(targets.task.outputs, np.nanmin(targets.values, 0), np.nanmax(targets.values, 0), strict=True)
    return ", ".join(f"{name} ({low:.4g} to {high:.4g})" for name, low, high in ranges)


def _survival_in_words(targets: Targets) -> str:
    times, events = targets.values.T
    return f"survival: {np.nansum(events):,.0f} events, times from {np.nanmin(times):.4g} to {np.nanmax(times):.4g}"


_WORDS: dict[TaskKind, Callable[[Targets], str]] = {
    "multilabel": _labels_in_words,
    "regression": _numbers_in_words,
    "survival": _survival_in_words,
}
