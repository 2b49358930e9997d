"""What adds up over clients of predictions on training and validation data, so that sites may send it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from pydantic import FiniteFloat, NonNegativeInt

from headstart.core.arrays import Array
from headstart.core.task import classification
from headstart.evidence.metrics import example_values

_MOST_TOLD = 10.0
"""Nats of a mean loss, beyond which a coarse one says no more."""


def _values(labels: Array, probabilities: Array) -> dict[str, Array]:
    return example_values(labels, probabilities, classification(tuple(map(str, range(probabilities.shape[1])))))


@dataclass(frozen=True)
class Tally:
    """Of predictions on some examples.

    Attributes:
        counts: examples by class.
        right: of them, those whose class is said.
        finite: examples to which numbers are said.
        loss: sum of their log losses, in nats.

    >>> Tally.of(np.array([0, 1]), np.array([[0.9, 0.1], [np.nan, 1.0]])).right
    (1, 0)
    """

    counts: tuple[NonNegativeInt, ...]
    right: tuple[NonNegativeInt, ...]
    finite: NonNegativeInt
    loss: FiniteFloat

    @classmethod
    def of(cls, labels: Array, probabilities: Array) -> Tally:
        """Count predictions ``(rows, classes)`` on examples with these labels."""
        classes, values = probabilities.shape[1], _values(labels, probabilities)
        said = values["predicted"]
        return cls(
            tuple(np.bincount(labels, minlength=classes).tolist()),
            tuple(np.bincount(labels[said == labels], minlength=classes).tolist()),
            int((said < classes).sum()),
            float(values["log_loss"].sum()),
        )

    @classmethod
    def sum(cls, parts: Sequence[Tally]) -> Tally:
        """Return what all of them, at least one and of the same classes, come to together."""
        counts, right = (np.array([getattr(part, name) for part in parts]).sum(0) for name in ("counts", "right"))
        finite, loss = sum(part.finite for part in parts), sum(part.loss for part in parts)
        return cls(tuple(counts.tolist()), tuple(right.tolist()), finite, loss)

    def coarse(self) -> Tally:
        """Return it with a mean loss of hundredths of a nat, up to ten: of made predictions, more digits tell sums.

        >>> Tally((2, 1), (1, 1), 3, 2.0).coarse().loss, Tally((3,), (0,), 3, 1e9).coarse().loss
        (2.01, 30.0)
        """
        rows = sum(self.counts)
        return replace(self, loss=round(rows * round(min(self.loss / max(1, rows), _MOST_TOLD), 2), 2))


@dataclass(frozen=True, kw_only=True)
class ClientTally:
    """Of what one client ends with.

    Attributes:
        train: on a sample of its training examples.
        began: likewise of the start; None where nothing was trained.
        val: on its validation examples.
        mixed_rows: examples of both; 0 where they are of one class.
        is_constant: whether one class is said to all of them.
        changed: training examples to which another class is said than by the start.
    """

    train: Tally
    began: Tally | None
    val: Tally
    mixed_rows: NonNegativeInt
    is_constant: bool
    changed: NonNegativeInt

    @classmethod
    def of(cls, train: tuple[Array, Array], val: tuple[Array, Array], began: Array | None) -> ClientTally:
        """Count a client's predictions.

        Args:
            train: labels and probabilities ``(rows, classes)`` on a sample of its training examples.
            val: likewise on its validation examples.
            began: the start's probabilities on the training sample; None where nothing was trained.
        """
        own, guesses = np.concatenate([train[0], val[0]]), _said(np.concatenate([train[1], val[1]]))
        labels, after = train
        if began is not None:
            # Inputs that are no numbers say nothing of the training.
            usable = np.isfinite(began).all(axis=1)
            labels, after, began = labels[usable], after[usable], began[usable]
        return cls(
            train=Tally.of(labels, after),
            began=None if began is None else Tally.of(labels, began),
            val=Tally.of(*val),
            mixed_rows=len(own) if len(np.unique(own)) > 1 else 0,
            is_constant=len(np.unique(guesses)) == 1,
            changed=0 if began is None else int((_said(began) != _said(after)).sum()),
        )

    def coarse(self) -> ClientTally:
        """Return it with coarse losses."""
        began = self.began and self.began.coarse()
        return replace(self, train=self.train.coarse(), began=began, val=self.val.coarse())


def _said(probabilities: Array) -> Array:
    """Return the class said to each example; one more than there are where a prediction is not finite."""
    finite = np.isfinite(probabilities).all(axis=1)
    found: Array = np.where(finite, np.argmax(probabilities, axis=1), probabilities.shape[1])
    return found
