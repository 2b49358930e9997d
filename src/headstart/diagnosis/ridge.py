"""Ridge regression on one-hot labels, its penalty chosen by leave-one-out: a head in closed form."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from headstart.core.arrays import Array

# Relative to features of mean squared length one.
PENALTIES = tuple(float(penalty) for penalty in np.logspace(-4, 2, 13))


class Ridge(NamedTuple):
    """A fitted head.

    Attributes:
        weights: ``(d + 1, classes)``, the intercept last.
        penalty: chosen by leave-one-out squared error.
        accuracy: leave-one-out accuracy at that penalty, in [0, 1].
    """

    weights: Array
    penalty: float
    accuracy: float

    def predict(self, features: Array) -> Array:
        """Predicted classes ``(n,)`` of features ``(n, d)``."""
        classes: Array = np.argmax(features @ self.weights[:-1] + self.weights[-1], axis=1)
        return classes


def fit_ridge(
    features: Array, labels: Array, num_classes: int, *, towards: Array | None = None, chunk: int = 4096
) -> Ridge:
    """Fit a head, the intercept penalised as the rest.

    ``W = (Z'Z + penalty I)^-1 (Z'Y + penalty W0)`` with ``Z = [features, 1]``. Leaving row i out changes its
    residual from ``r_i`` to ``r_i / (1 - h_i)``, h the leverage, so all n refits cost one decomposition.

    Args:
        features: ``(n, d)``, of mean squared length about one, see ``scale``.
        labels: ``(n,)`` int.
        num_classes: number of classes.
        towards: ``W0`` ``(d + 1, classes)``, the weights that the penalty pulls to; zero when None. With it,
            an endless penalty is among the choices, and its leave-one-out ignores that ``W0`` may have seen
            the rows.
        chunk: rows whose residuals are in memory at once.

    >>> features = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]])
    >>> fit_ridge(features, np.array([0, 0, 1, 1]), 2).accuracy
    1.0
    """
    rows = np.hstack([features, np.ones((len(features), 1))]).astype(np.float64)
    start = np.zeros((rows.shape[1], num_classes)) if towards is None else towards
    penalties = PENALTIES if towards is None else (*PENALTIES, float("inf"))
    values, vectors = _decompose(rows)
    turned = vectors.T @ (class_sums(rows, labels, num_classes) - rows.T @ (rows @ start))
    errors, hits = _leave_one_out(
        rows, labels, start, values=values, vectors=vectors, turned=turned, penalties=penalties, chunk=chunk
    )
    chosen = int(np.argmin(errors))
    weights = start + vectors @ (turned / (values[:, None] + penalties[chosen]))
    return Ridge(weights, penalties[chosen], float(hits[chosen] / len(labels)))


def scale(features: Array, mean: Array, length: float) -> Array:
    """Centre and divide features so that the pool's mean squared length is one, float64."""
    scaled: Array = (features.astype(np.float64) - mean) / length
    return scaled


def scale_of(features: Array) -> tuple[Array, float]:
    """Mean ``(d,)`` of the pool, and the root of its mean squared length once centred (1 without any)."""
    mean = features.mean(axis=0, dtype=np.float64)
    length = float(np.sqrt(features.var(axis=0, dtype=np.float64).sum()))
    return mean, length or 1.0


def class_sums(features: Array, labels: Array, num_classes: int) -> Array:
    """Sum the features of each class: ``F'Y`` ``(d, classes)``."""
    return np.stack([features[labels == label].sum(axis=0) for label in range(num_classes)], axis=1)


def _decompose(rows: Array) -> tuple[Array, Array]:
    """Eigenvalues ``(r,)`` and eigenvectors ``(d + 1, r)`` of ``rows' rows``, where not null."""
    # By the smaller side: a client often has fewer rows than features.
    if len(rows) >= rows.shape[1]:
        values, vectors = np.linalg.eigh(rows.T @ rows)
    else:
        values, left = np.linalg.eigh(rows @ rows.T)
        vectors = rows.T @ left / np.sqrt(np.maximum(values, 1e-300))
    kept = values > 1e-10 * max(float(values[-1]), 1e-300)
    return values[kept], vectors[:, kept]


def _leave_one_out(
    rows: Array,
    labels: Array,
    start: Array,
    *,
    values: Array,
    vectors: Array,
    turned: Array,
    penalties: tuple[float, ...],
    chunk: int,
) -> tuple[Array, Array]:
    """Leave-one-out squared errors and right predictions of every penalty, in chunks of rows."""
    errors, hits = np.zeros(len(penalties)), np.zeros(len(penalties))
    for begin in range(0, len(rows), chunk):
        part, answers = rows[begin : begin + chunk], labels[begin : begin + chunk]
        basis, base = part @ vectors, part @ start
        targets = np.eye(start.shape[1])[answers]
        for position, penalty in enumerate(penalties):
            shrink = 1 / (values + penalty)
            leverage = np.minimum((basis**2) @ shrink, 1 - 1e-9)
            fitted = base + basis @ (turned * shrink[:, None])
            residual = (targets - fitted) / (1 - leverage)[:, None]
            errors[position] += (residual**2).sum()
            hits[position] += (np.argmax(targets - residual, axis=1) == answers).sum()
    return errors, hits
