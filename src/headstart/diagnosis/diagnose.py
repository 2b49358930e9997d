"""The diagnosis: from clients' frozen features to numbers and a predicted family, before any training."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from headstart.core.arrays import Array
from headstart.core.errors import DataError
from headstart.core.machine import threads
from headstart.core.plain import plain
from headstart.diagnosis import skew
from headstart.diagnosis.company import Company
from headstart.diagnosis.curves import Curves
from headstart.diagnosis.heads import HEADS, LeftOut, Part, Shared
from headstart.diagnosis.predict import Fit, Prediction, predict
from headstart.diagnosis.reasons import reasons
from headstart.diagnosis.shift import Shift, measure_shift
from headstart.diagnosis.signals import BALANCED, HEAD_OF, Lead, Sharing, Signals
from headstart.diagnosis.transfer import knn_accuracy, logme
from headstart.evidence.sides import FAMILIES, Family


@dataclass(frozen=True)
class _Ceiling:
    """Leave-one-out accuracies of ridge heads on the training examples, means over clients, in [0, 1].

    Attributes:
        pooled: of the head from everyone's sums.
        local: of each client's own.
        personal: of each client's, pulled towards the pooled one.
        gap: pooled minus local.
        noise: standard error of the gap, by the choice of examples and of clients.
    """

    pooled: float
    local: float
    personal: float
    gap: float
    noise: float


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
        ceiling: leave-one-out accuracies of three ridge heads.
        prediction: the family that should be best, and what sharing should gain.
        curves: until how many examples per client sharing pays; None where clients have too few to say.
        company: with whom each client should learn; None of fewer than two clients, or of very many.
    """

    label_skew: dict[str, float]
    quantity_skew: dict[str, float]
    missing_classes: dict[str, list[int]]
    feature_shift: Shift
    backbone: dict[str, float]
    ceiling: _Ceiling
    prediction: Prediction
    curves: Curves | None = None
    company: Company | None = None

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
    metric: str = "balanced_accuracy",
    min_effect: float = 0.02,
    families: Collection[Family] = FAMILIES,
    coefficients: Mapping[Sharing, Fit] | None = None,
    seed: int = 0,
) -> Diagnosis:
    """Diagnose a federation from one pass of frozen features.

    Args:
        train: per client features ``(n, d)`` and labels ``(n,)`` of its training examples; may be empty.
        val: likewise for validation.
        num_classes: number of classes.
        clients: their names; their positions when None.
        pretrained: whether the features come from a pre-trained backbone.
        metric: of the decision. Macro-F1 is foretold in balanced accuracy; log loss and calibration error in accuracy.
        min_effect: the smallest gain that matters.
        families: that may win, such as those that no device rules out.
        coefficients: from signals to gains, other than those fitted in the metric.
        seed: of the random parts (what chance alone would show; the examples that kNN compares).

    Raises:
        DataError: shapes disagree, a feature is not finite, a label is out of range, or there are no
            examples.

    >>> generator = np.random.default_rng(0)
    >>> def client(first):
    ...     labels = generator.integers(first, first + 2, size=60)
    ...     return np.eye(4)[labels] + 0.1 * generator.standard_normal((60, 4)), labels
    >>> found = diagnose([client(0), client(2)], [client(0), client(2)], 4)
    >>> round(found.label_skew["total_variation"], 2), found.missing_classes, round(found.ceiling.gap, 2)
    (0.5, {'0': [2, 3], '1': [0, 1]}, 0.0)
    """
    names = [str(position) for position in range(len(train))] if clients is None else list(clients)
    _check(train, val, num_classes, names)
    features = np.concatenate([part for part, _ in train])
    labels = np.concatenate([part for _, part in train])
    client_of = np.repeat(np.arange(len(train)), [len(part) for _, part in train])
    counts = skew.class_counts([part for _, part in train], num_classes)
    # Many small decompositions: threads that wait for each other take thirty times as long.
    with threads(1):
        compact, shared, left_out = _leave_out(train, val, num_classes)
        curves = Curves.measure(compact, shared, num_classes, seed=seed)
        able = [at for at, (_, own) in enumerate(compact) if len(own)]
        company = Company.of([compact[at] for at in able], [names[at] for at in able], shared, left_out, num_classes)
    backbone = {
        "knn_accuracy": knn_accuracy(features, labels, seed=seed),
        "ridge_accuracy": float(np.concatenate([found.right[HEADS.index("shared")] for found in left_out]).mean()),
        "logme": logme(features, labels, num_classes),
        "majority": float(counts.sum(axis=0).max() / counts.sum()),
    }
    shift, label_skew = measure_shift(features, labels, client_of, seed=seed), _label_skew(counts, seed)
    nearest = "balanced_accuracy" if metric in BALANCED else "accuracy"
    # Where one client has all that there is, there is nobody to share with.
    alone = sum(len(labels) > 0 for _, labels in train) < 2
    prediction = predict(
        {} if alone else _signals(left_out, balanced=metric in BALANCED),
        metric=nearest,
        min_effect=min_effect,
        families=families,
        coefficients=coefficients,
    )
    said = tuple(reasons(label_skew, shift, backbone, len(labels), pretrained=pretrained))
    return Diagnosis(
        label_skew=label_skew,
        quantity_skew=skew.quantity(counts.sum(axis=1)),
        missing_classes={name: gone for name, gone in zip(names, skew.missing_classes(counts), strict=True) if gone},
        feature_shift=shift,
        backbone=backbone,
        ceiling=_ceiling(left_out),
        prediction=replace(prediction, reasons=said),
        curves=curves,
        company=company,
    )


def _leave_out(
    train: Sequence[Part], val: Sequence[Part], num_classes: int
) -> tuple[Sequence[Part], Shared, list[LeftOut]]:
    """Predict the examples of every client that has some to train on; return the features that this took, too."""
    train, val = _compact(train, val)
    shared = Shared.of(train, num_classes)
    pairs = ((own, held) for own, held in zip(train, val, strict=True) if len(own[1]))
    return train, shared, [LeftOut.of(own, held, shared, num_classes) for own, held in pairs]


def _compact(train: Sequence[Part], val: Sequence[Part]) -> tuple[Sequence[Part], Sequence[Part]]:
    """Return features in the span of the training examples where these are fewer than features: no head sees more."""
    rows = np.concatenate([features for features, _ in train]).astype(np.float64)
    if len(rows) >= rows.shape[1]:
        return train, val
    values, vectors = np.linalg.eigh(rows @ rows.T)
    kept = values > 1e-12 * max(float(values[-1]), 1e-300)
    basis = rows.T @ vectors[:, kept] / np.sqrt(values[kept])
    both = [[(features @ basis, labels) for features, labels in parts] for parts in (train, val)]
    return both[0], both[1]


def _signals(left_out: Sequence[LeftOut], *, balanced: bool) -> dict[Sharing, Signals]:
    return {
        sharing: Signals.of([Lead.of(found, sharing, balanced=balanced) for found in left_out]) for sharing in HEAD_OF
    }


def _ceiling(left_out: Sequence[LeftOut]) -> _Ceiling:
    local, pooled, personal = np.mean([found.right.mean(axis=1) for found in left_out], axis=0).tolist()
    noise = Signals.of([Lead.of(found, "federate", balanced=False) for found in left_out]).se
    return _Ceiling(pooled, local, personal, pooled - local, noise)


def _label_skew(counts: Array, seed: int) -> dict[str, float]:
    return {
        "total_variation": float(np.nanmean(skew.total_variation(counts))),
        "jensen_shannon": float(np.nanmean(skew.jensen_shannon(counts))),
        "expected": skew.chance_variation(counts, seed=seed),
    }


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
