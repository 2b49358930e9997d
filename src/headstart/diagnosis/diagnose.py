"""The diagnosis: from clients' frozen features to numbers and a predicted winner, before any training."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from headstart.core.arrays import Array
from headstart.core.errors import DataError
from headstart.core.plain import plain
from headstart.diagnosis import skew
from headstart.diagnosis.ceiling import Ceiling, Part, measure_ceiling
from headstart.diagnosis.predict import STANDARD_SLATE, Prediction, predict
from headstart.diagnosis.shift import Shift, measure_shift
from headstart.diagnosis.signals import Signals
from headstart.diagnosis.transfer import knn_accuracy, logme


@dataclass(frozen=True)
class Diagnosis:
    """What the features of all clients say; every number is a mean over clients unless said otherwise.

    Attributes:
        label_skew: ``total_variation`` and ``jensen_shannon`` (bits) from the pool's labels, in [0, 1];
            ``expected``, the total variation that chance alone would show.
        quantity_skew: ``min``, ``median``, ``max`` training examples of a client, and their ``gini``.
        missing_classes: per client, the classes it has no training example of; clients that lack none are
            left out.
        feature_shift: ``frechet`` distance from the pool's features and ``class_conditional`` within classes,
            in units of the pool's total variance, each with what chance alone would show (``expected``, …).
        backbone: leave-one-out ``knn_accuracy`` and ``ridge_accuracy``, ``logme`` and the ``majority``
            class's share, over the pool.
        ceiling: validation accuracies of ridge heads: ``pooled``, ``local``, ``personal``, ``gap`` = pooled -
            local and its ``noise`` (standard error over clients), likewise ``sharing`` and
            ``personalization``.
        prediction: the predicted winner, its reasons and their sources.
    """

    label_skew: dict[str, float]
    quantity_skew: dict[str, float]
    missing_classes: dict[str, list[int]]
    feature_shift: Shift
    backbone: dict[str, float]
    ceiling: Ceiling
    prediction: Prediction

    def as_json(self) -> dict[str, Any]:
        """Return plain values that JSON can say; None where nothing could be measured."""
        values = {**asdict(self), "feature_shift": self.feature_shift._asdict()}
        found: dict[str, Any] = plain(values)
        return found


def diagnose(
    train: Sequence[Part],
    val: Sequence[Part],
    num_classes: int,
    *,
    clients: Sequence[str] | None = None,
    pretrained: bool = True,
    arms: Collection[str] = STANDARD_SLATE,
    seed: int = 0,
) -> Diagnosis:
    """Diagnose a federation from one pass of frozen features.

    Args:
        train: per client features ``(n, d)`` and labels ``(n,)`` of its training examples; may be empty.
        val: likewise for validation.
        num_classes: number of classes.
        clients: their names; their positions when None.
        pretrained: whether the features come from a pre-trained backbone.
        arms: names of the standard slate that may win, such as those that no device rules out.
        seed: of the random parts (what chance alone would show; the examples that kNN compares).

    Raises:
        DataError: shapes disagree, a feature is not finite, a label is out of range, or there are no
            examples.

    >>> generator = np.random.default_rng(0)
    >>> def client(first):
    ...     labels = generator.integers(first, first + 2, size=60)
    ...     return np.eye(4)[labels] + 0.1 * generator.standard_normal((60, 4)), labels
    >>> found = diagnose([client(0), client(2)], [client(0), client(2)], 4)
    >>> round(found.label_skew["total_variation"], 2), found.missing_classes, found.prediction.winner
    (0.5, {'0': [2, 3], '1': [0, 1]}, 'finetune-lp-ft')
    """
    names = [str(position) for position in range(len(train))] if clients is None else list(clients)
    _check(train, val, num_classes, names)
    features = np.concatenate([part for part, _ in train])
    labels = np.concatenate([part for _, part in train])
    client_of = np.repeat(np.arange(len(train)), [len(part) for _, part in train])
    counts = skew.class_counts([part for _, part in train], num_classes)
    ceiling, head = measure_ceiling(train, val, num_classes)
    shift = measure_shift(features, labels, client_of, seed=seed)
    found = Diagnosis(
        label_skew=_label_skew(counts, seed),
        quantity_skew=_quantity_skew(counts.sum(axis=1)),
        missing_classes={name: gone for name, gone in zip(names, skew.missing_classes(counts), strict=True) if gone},
        feature_shift=shift,
        backbone={
            "knn_accuracy": knn_accuracy(features, labels, seed=seed),
            "ridge_accuracy": head.accuracy,
            "logme": logme(features, labels, num_classes),
            "majority": float(counts.sum(axis=0).max() / counts.sum()),
        },
        ceiling=ceiling,
        prediction=Prediction(None, (), ()),
    )
    return _with_prediction(found, counts, pretrained, arms)


def _with_prediction(found: Diagnosis, counts: Array, pretrained: bool, arms: Collection[str]) -> Diagnosis:
    signals = Signals(
        num_examples=int(counts.sum()),
        median_examples=found.quantity_skew["median"],
        num_classes=int((counts.sum(axis=0) > 0).sum()),
        majority=found.backbone["majority"],
        ridge_accuracy=found.backbone["ridge_accuracy"],
        label_skew=found.label_skew["total_variation"],
        label_skew_expected=found.label_skew["expected"],
        class_shift=found.feature_shift.class_conditional,
        class_shift_expected=found.feature_shift.class_conditional_expected,
        ceiling=found.ceiling,
        pretrained=pretrained,
    )
    return replace(found, prediction=predict(signals, arms))


def _label_skew(counts: Array, seed: int) -> dict[str, float]:
    return {
        "total_variation": float(np.nanmean(skew.total_variation(counts))),
        "jensen_shannon": float(np.nanmean(skew.jensen_shannon(counts))),
        "expected": skew.chance_variation(counts, seed=seed),
    }


def _quantity_skew(sizes: Array) -> dict[str, float]:
    median = float(np.median(sizes))
    return {"min": int(sizes.min()), "median": median, "max": int(sizes.max()), "gini": skew.gini(sizes)}


def _check(train: Sequence[Part], val: Sequence[Part], num_classes: int, names: Sequence[str]) -> None:
    if not len(train) == len(val) == len(names):
        raise DataError(
            f"diagnose: train, val and clients need one entry per client, got {len(train)}, {len(val)} and "
            f"{len(names)}; give a client without validation data an empty part"
        )
    if not sum(len(labels) for _, labels in train):
        raise DataError("diagnose: needs training examples, got none from any client; check the data's split")
    for split, parts in (("train", train), ("val", val)):
        for name, (features, labels) in zip(names, parts, strict=True):
            _check_part(f"client '{name}', {split}", features, labels, num_classes)


def _check_part(where: str, features: Array, labels: Array, num_classes: int) -> None:
    if features.ndim != 2 or labels.shape != features.shape[:1]:
        raise DataError(
            f"diagnose: features must be (n, d) and labels (n,), got {features.shape} and {labels.shape} for "
            f"{where}; flatten each example's features to one row"
        )
    if not np.isfinite(features).all():
        raise DataError(f"diagnose: features must be finite, got NaN or infinity for {where}; mend its inputs")
    if len(labels) and not (labels.min() >= 0 and labels.max() < num_classes):
        raise DataError(
            f"diagnose: labels must lie in 0 … {num_classes - 1}, got {labels.min()} … {labels.max()} for "
            f"{where}; drop unlabelled examples"
        )
