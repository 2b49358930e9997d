"""How good predictions are: what decides whether a device keeps its adapted head."""

from __future__ import annotations

import numpy as np

from headstart_edge.tensors import Array

METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "log_loss")
LOWER_IS_BETTER = frozenset({"log_loss", "calibration_error"})


def scores(labels: Array, found: Array) -> dict[str, float]:
    """Return accuracy, mean recall of the classes present, mean F1, and log loss in nats.

    >>> scores(np.array([0, 1]), np.array([[0.75, 0.25], [0.75, 0.25]]))["balanced_accuracy"]
    0.5
    """
    predicted, classes = found.argmax(1), np.unique(labels)
    recalls = [float((predicted[labels == c] == c).mean()) for c in classes]
    named = np.unique(np.concatenate([classes, predicted]))
    chosen = np.clip(found[np.arange(len(labels)), labels], np.finfo(np.float64).eps, 1 - np.finfo(np.float64).eps)
    return {
        "accuracy": float((predicted == labels).mean()),
        "balanced_accuracy": float(np.mean(recalls)),
        "macro_f1": float(np.mean([_f1(labels == c, predicted == c) for c in named])),
        "log_loss": float(-np.log(chosen).mean()),
    }


def is_better(old: dict[str, float], new: dict[str, float], metric: str) -> bool:
    """Say whether new scores are better; a tie goes to the lower log loss."""
    sign = -1 if metric in LOWER_IS_BETTER else 1
    return (sign * new[metric], -new["log_loss"]) > (sign * old[metric], -old["log_loss"])


def _f1(true: Array, guessed: Array) -> float:
    both = float((true & guessed).sum())
    return 2 * both / float(true.sum() + guessed.sum())
