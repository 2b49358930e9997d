"""What is said of single examples: what is predicted of each, and how well."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from headstart.core.arrays import Array
from headstart.core.task import Task, TaskKind
from headstart.evidence.metrics import classes, labels
from headstart.evidence.metrics.scored import Scored


def example_values(truth: Array, predictions: Array, task: Task) -> dict[str, Array]:
    """Say of each example what is predicted, and how well; arguments as ``client_metrics``.

    Returns:
        Arrays ``(n,)``. Of a classification: ``predicted``, the likeliest class, or ``classes`` where a row is not
        finite; ``log_loss`` in nats; ``confidence``, the top probability, 1 where a row is not finite; and of two
        classes ``probability`` of the last. Of several labels ``right``, the share of them, and ``log_loss``. Of a
        regression ``predicted`` and ``error`` (predicted less true) in the target's unit, of several targets each with
        the target's name after a dot. Of survival ``risk``.

    >>> from headstart.core.task import classification
    >>> example_values(np.array([1]), np.array([[0.25, 0.75]]), classification(("a", "b")))["confidence"].tolist()
    [0.75]
    """
    rows = (np.asarray(truth), np.asarray(predictions), np.zeros(len(truth), dtype=np.int64))
    return _EXAMPLES[task.kind](Scored(*rows, 1, task))


def _of_class(s: Scored) -> dict[str, Array]:
    values = {"predicted": classes.predicted(s), "log_loss": classes.log_losses(s), "confidence": classes.confidence(s)}
    return {**values, "probability": s.predictions[:, 1]} if s.predictions.shape[1] == 2 else values


def _of_labels(s: Scored) -> dict[str, Array]:
    return {"right": labels.right(s), "log_loss": labels.log_losses(s)}


def _of_numbers(s: Scored) -> dict[str, Array]:
    found: dict[str, Array] = {}
    for at, name in enumerate(s.task.outputs):
        end = f".{name}" if s.task.num_outputs > 1 else ""
        found |= {f"predicted{end}": s.predictions[:, at], f"error{end}": s.predictions[:, at] - s.truth[:, at]}
    return found


def _of_times(s: Scored) -> dict[str, Array]:
    return {"risk": s.predictions[:, 0]}


_EXAMPLES: Mapping[TaskKind, Callable[[Scored], dict[str, Array]]] = {
    "classification": _of_class,
    "multilabel": _of_labels,
    "regression": _of_numbers,
    "survival": _of_times,
}
