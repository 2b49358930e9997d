"""Targets: what is to be predicted of each example, where that is not one class."""

from __future__ import annotations

from dataclasses import dataclass

from headstart.core.arrays import Array
from headstart.core.task import Task


@dataclass(frozen=True, eq=False)
class Targets:
    """The truth of every example of a task that is no classification.

    Attributes:
        task: what the values mean.
        values: ``(examples, …)`` float64, as the task says; a regression's in the targets' own units.
    """

    task: Task
    values: Array

    def take(self, indices: Array) -> Targets:
        """Copy the values of these examples."""
        return Targets(self.task, self.values[indices])
