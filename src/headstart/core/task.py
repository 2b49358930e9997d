"""What a model predicts of an example: one class, several labels, numbers, or a risk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

TaskKind = Literal["classification", "multilabel", "regression", "survival"]

_NO_CLASSES = "needs one class per example, and the task is {}"

CLASSES_ONLY: Mapping[TaskKind, str] = {
    "multilabel": _NO_CLASSES.format("several labels"),
    "regression": _NO_CLASSES.format("a regression"),
    "survival": _NO_CLASSES.format("survival"),
}
"""Why a method that rests on classes makes no sense for the other tasks."""

NO_LEAST_SQUARES: Mapping[TaskKind, str] = {
    "survival": "needs a number for everyone to fit, and who was only followed for a while has none"
}
"""Why a least-squares head makes no sense for survival."""


FAR = 3.0
"""Standard deviations from which an error of a regression counts in proportion, no longer squared."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a head's outputs mean.

    The truth of an example is a class's index ``()`` for ``classification``; 0 or 1 for each label ``(labels,)`` for
    ``multilabel``; a number for each target ``(targets,)`` for ``regression``; and ``(time, event)``, where the event
    is 1 if it was seen at that time and 0 if the example was only followed until then, for ``survival``.

    Predictions are probabilities of the classes ``(classes,)``, which sum to 1; of each label ``(labels,)``; numbers in
    the targets' units ``(targets,)``; and a log hazard ratio ``(1,)``, greater where the event comes sooner.

    Attributes:
        kind: which of the four.
        outputs: names of what each output of the head stands for: classes, labels, targets, or ``("risk",)``.
        centers: of a regression, each target's mean; the head predicts in standard deviations from it.
        scales: likewise its standard deviation, above 0.

    >>> Task(kind="regression", outputs=("updrs",), centers=(29.0,), scales=(10.7,)).num_outputs
    1
    """

    kind: TaskKind
    outputs: tuple[str, ...]
    centers: tuple[float, ...] = ()
    scales: tuple[float, ...] = ()

    @property
    def is_classification(self) -> bool:
        """Whether each example has one class."""
        return self.kind == "classification"

    @property
    def words(self) -> list[str]:
        """What an output stands for, which is all that first weights depend on; classes by their names alone."""
        return list(self.outputs) if self.is_classification else [f"task {self.kind}", *self.outputs]

    @property
    def num_outputs(self) -> int:
        """Number of the head's outputs."""
        return len(self.outputs)


def classification(classes: tuple[str, ...]) -> Task:
    """Return the task of telling classes apart.

    >>> classification(("cat", "dog")).num_outputs
    2
    """
    return Task(kind="classification", outputs=classes)
