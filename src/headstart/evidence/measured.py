"""What an arm's predictions on training and validation data are like; never those on test."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from headstart.core.arrays import Array
from headstart.core.plain import plain
from headstart.evidence.tally import ClientTally, Tally


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
    return _part(Tally.of(labels, probabilities))


def measure(clients: Sequence[ClientTally]) -> Facts:
    """Measure what an arm predicts, from what its clients counted, at least one."""
    train = Tally.sum([one.train for one in clients])
    began = [one.began for one in clients if one.began]
    mixed = [one for one in clients if one.mixed_rows]
    return Facts(
        train=_part(train),
        began=_part(Tally.sum(began)) if began else None,
        val=_part(Tally.sum([one.val for one in clients])),
        mixed=len(mixed),
        mixed_rows=sum(one.mixed_rows for one in mixed),
        constant=sum(one.is_constant for one in mixed),
        changed=sum(one.changed for one in clients) / max(1, sum(train.counts)),
    )


def _part(tally: Tally) -> Part | None:
    """Say what was counted as shares; None without examples."""
    counts, right = np.array(tally.counts), np.array(tally.right)
    rows, present = int(counts.sum()), counts > 0
    if not rows:
        return None
    shares = counts[present] / rows
    return Part(
        rows=rows,
        classes=len(shares),
        rarest=int(counts[present].min()),
        majority=float(shares.max()),
        entropy=float(-(shares * np.log(shares)).sum()),
        finite=tally.finite / rows,
        accuracy=int(right.sum()) / rows,
        balanced_accuracy=float((right[present] / counts[present]).mean()),
        loss=tally.loss / rows,
    )
