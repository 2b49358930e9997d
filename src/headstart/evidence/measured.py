"""What an arm's predictions on training and validation data are like; never those on test."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from headstart.core.arrays import Array
from headstart.core.plain import plain
from headstart.evidence.metrics import pooled_metrics


@dataclass(frozen=True, kw_only=True)
class Part:
    """Predictions on a part of the data, over all its clients' examples together.

    Attributes:
        rows: examples.
        classes: that they have.
        rarest: examples of the rarest of these classes.
        majority: share of the commonest class.
        entropy: log loss of one who knows the classes' shares only, in nats.
        finite: share of the predictions that are finite.
        accuracy: share that is right.
        balanced_accuracy: mean recall over the classes.
        loss: log loss, in nats.
    """

    rows: int
    classes: int
    rarest: int
    majority: float
    entropy: float
    finite: float
    accuracy: float
    balanced_accuracy: float
    loss: float

    @property
    def doubt(self) -> float:
        """Two standard errors of the majority class's share."""
        return 2 * math.sqrt(self.majority * (1 - self.majority) / self.rows)

    @property
    def is_above_majority(self) -> bool:
        """Whether accuracy or balanced accuracy is clearly above that of always saying the commonest class."""
        chance = 1 / self.classes
        doubt = 2 * math.sqrt(chance * (1 - chance) / (self.classes * self.rarest))
        return self.accuracy > self.majority + self.doubt or self.balanced_accuracy > chance + doubt


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What one arm and seed left on training and validation data.

    Attributes:
        train: predictions on a sample of the clients' training examples; None without any.
        began: those of the start on the same examples; None where nothing was trained.
        val: predictions on validation examples; None without any.
        mixed: clients whose examples in either have two classes or more.
        mixed_rows: examples of these clients.
        constant: those of them to all of whose examples the arm says one class.
        changed: share of the training examples to which it says another class than the start; 0 without a start.
    """

    train: Part | None
    began: Part | None
    val: Part | None
    mixed: int
    mixed_rows: int
    constant: int
    changed: float

    def as_json(self) -> dict[str, Any]:
        """Return plain values that JSON can say."""
        found: dict[str, Any] = plain(asdict(self))
        return found

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> Facts:
        """Undo :meth:`as_json`."""
        parts = {name: values[name] and Part(**values[name]) for name in ("train", "began", "val")}
        return cls(**{**values, **parts})


def part_of(labels: Array, probabilities: Array) -> Part | None:
    """Measure predictions ``(rows, classes)`` on examples with these labels; None without any.

    >>> found = part_of(np.array([0, 1, 1, 1]), np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.7, 0.3]]))
    >>> found.majority, found.accuracy, round(found.entropy, 3), found.rarest
    (0.75, 0.75, 0.562, 1)
    """
    if not len(labels):
        return None
    counts = np.bincount(labels)
    shares = counts[counts > 0] / len(labels)
    found = pooled_metrics(labels, probabilities)
    return Part(
        rows=len(labels),
        classes=len(shares),
        rarest=int(counts[counts > 0].min()),
        majority=float(shares.max()),
        entropy=float(-(shares * np.log(shares)).sum()),
        finite=float(np.isfinite(probabilities).all(axis=1).mean()),
        accuracy=found["accuracy"],
        balanced_accuracy=found["balanced_accuracy"],
        loss=found["log_loss"],
    )


def measure(
    train: tuple[Sequence[Array], Sequence[Array]],
    val: tuple[Sequence[Array], Sequence[Array]],
    began: Sequence[Array] | None,
) -> Facts:
    """Measure what an arm predicts.

    Args:
        train: each client's labels and probabilities ``(rows, classes)`` on a sample of its training examples.
        val: likewise of its validation examples.
        began: the start's probabilities on the training sample; None where nothing was trained.
    """
    labels, after = (_joined(parts) for parts in train)
    before = None if began is None else _joined(began)
    if before is not None and len(labels):
        # Inputs that are no numbers say nothing of the training.
        usable = np.isfinite(before).all(axis=1)
        labels, after, before = labels[usable], after[usable], before[usable]
    each = [
        (np.concatenate(own), _said(guesses))
        for *own, guesses in zip(train[0], val[0], map(_both, train[1], val[1]), strict=True)
    ]
    mixed = [(own, said) for own, said in each if len(np.unique(own)) > 1]
    return Facts(
        train=part_of(labels, after),
        began=None if before is None else part_of(labels, before),
        val=part_of(*(_joined(parts) for parts in val)),
        mixed=len(mixed),
        mixed_rows=sum(len(own) for own, _ in mixed),
        constant=sum(len(np.unique(said)) == 1 for _, said in mixed),
        changed=0.0 if before is None or not len(labels) else float((_said(before) != _said(after)).mean()),
    )


def span_of(inputs: Array) -> float:
    """Return the ratio of the widest spread of a table's columns to the narrowest, with 1 for a spread between them.

    >>> span_of(np.array([[0.0, 0.0, 7.0], [1.0, 4000.0, 7.0]]))
    4000.0
    """
    if inputs.ndim != 2 or not len(inputs):
        return 1.0
    rows = inputs[np.isfinite(inputs).all(axis=1)].astype(np.float64)
    spreads = rows.std(axis=0) if len(rows) else np.zeros(0)
    spreads = spreads[spreads > 0]
    return float(max(1.0, spreads.max()) / min(1.0, spreads.min())) if spreads.size else 1.0


def is_wide(span: float) -> bool:
    """Say whether scales lie so far apart that this is the likeliest cause of a failure."""
    return span > 100


def unscaled(span: float) -> str:
    """Say in words that scales lie far apart, and the way out."""
    return f"unscaled inputs, whose columns differ by a factor of {span:,.0f} (set data.standardize)"


def _joined(parts: Sequence[Array]) -> Array:
    return np.concatenate(parts) if len(parts) else np.zeros(0, dtype=np.int64)


def _both(train: Array, val: Array) -> Array:
    return np.concatenate([train, val])


def _said(probabilities: Array) -> Array:
    """Return the class said to each example; one more than there are where a prediction is not finite."""
    finite = np.isfinite(probabilities).all(axis=1)
    said: Array = np.where(finite, np.argmax(probabilities, axis=1), probabilities.shape[1])
    return said
