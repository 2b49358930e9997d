"""Metrics of every client at once, from stacked labels and predicted probabilities.

No client's confusion matrix is built: its row sums, column sums and diagonal are three bincounts, and
accuracy, balanced accuracy and F1 need no more.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from headstart.core.arrays import Array
from headstart.core.errors import DataError, SettingError, nearest
from headstart.core.plain import finite

METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "log_loss", "calibration_error")
LOWER_IS_BETTER = frozenset({"log_loss", "calibration_error"})
CALIBRATION_BINS = 15
_MOST_LOSS = -np.log(np.finfo(np.float64).eps)


def client_metrics(labels: Array, probabilities: Array, client_of: Array, num_clients: int) -> dict[str, Array]:
    """Compute every metric of every client.

    Args:
        labels: true classes ``(n,)`` int, each in ``0 … classes - 1``.
        probabilities: predicted ``(n, classes)``. A row that is not finite (a diverged model) counts as a
            certain and wrong prediction.
        client_of: client index of each row ``(n,)`` int, each in ``0 … num_clients - 1``.
        num_clients: number of clients; one without rows gets NaN, and ``num_examples`` 0.

    Returns:
        Arrays ``(num_clients,)`` float64: ``accuracy``; ``balanced_accuracy``, mean recall over the classes
        that the client's labels have; ``macro_f1``, mean F1 over the classes labelled or predicted there;
        ``log_loss`` in nats, probabilities clipped at their type's machine epsilon; ``calibration_error``,
        expected calibration error over 15 equal bins of the top probability (Guo et al. 2017, eq. 3);
        ``num_examples``. All but the log loss and the number lie in [0, 1].

    Raises:
        DataError: shapes disagree, or a label or client index is out of range.

    >>> labels, clients = np.array([0, 1, 1]), np.array([0, 0, 1])
    >>> found = client_metrics(labels, np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]]), clients, 2)
    >>> found["accuracy"].tolist(), found["num_examples"].tolist()
    ([0.5, 1.0], [2.0, 1.0])
    """
    labels, probabilities, client_of = np.asarray(labels), np.asarray(probabilities), np.asarray(client_of)
    _check(labels, probabilities, client_of, num_clients)
    num_classes = probabilities.shape[1]
    predicted, losses, confidence = example_values(labels, probabilities).values()
    finite, hits = predicted < num_classes, predicted == labels
    examples = np.bincount(client_of, minlength=num_clients).astype(np.float64)
    true = _count(client_of, labels, num_clients, num_classes)
    guessed = _count(client_of[finite], predicted[finite], num_clients, num_classes)
    right = _count(client_of[hits], labels[hits], num_clients, num_classes)
    return {
        "accuracy": _ratio(right.sum(axis=1), examples),
        "balanced_accuracy": _mean_over_classes(right, true),
        "macro_f1": _mean_over_classes(2 * right, true + guessed),
        "log_loss": _ratio(_sum(client_of, losses, num_clients), examples),
        "calibration_error": _calibration(hits, confidence, client_of, num_clients),
        "num_examples": examples,
    }


def example_values(labels: Array, probabilities: Array) -> dict[str, Array]:
    """Say of each example what is predicted, at which loss and how surely; arguments as ``client_metrics``.

    Returns:
        Arrays ``(n,)``: ``predicted``, the likeliest class, or ``classes`` where a row is not finite; ``log_loss``
        in nats; ``confidence``, the top probability, 1 where a row is not finite.

    >>> example_values(np.array([1]), np.array([[0.25, 0.75]]))["confidence"].tolist()
    [0.75]
    """
    finite = np.isfinite(probabilities).all(axis=1)
    epsilon = np.finfo(np.result_type(probabilities, np.float32)).eps
    chosen = np.where(finite, probabilities[np.arange(len(labels)), labels], 0.0).astype(np.float64)
    return {
        "predicted": np.where(finite, np.argmax(probabilities, axis=1), probabilities.shape[1]),
        "log_loss": -np.log(np.clip(chosen, epsilon, 1 - epsilon)),
        "confidence": np.where(finite, probabilities.max(axis=1), 1.0).astype(np.float64),
    }


def pooled_metrics(labels: Array, probabilities: Array) -> dict[str, float]:
    """Compute the same metrics over all rows as one data set (over examples, not the mean over clients).

    >>> pooled_metrics(np.array([0, 1]), np.array([[0.9, 0.1], [0.8, 0.2]]))["balanced_accuracy"]
    0.5
    """
    found = client_metrics(labels, probabilities, np.zeros(len(labels), dtype=np.int64), 1)
    return {name: float(values[0]) for name, values in found.items()}


def range_of(metric: str) -> tuple[float, float]:
    """Return between which values a client's metric lies.

    >>> range_of("accuracy"), round(range_of("log_loss")[1], 1)
    ((0.0, 1.0), 36.0)
    """
    return 0.0, float(_MOST_LOSS) + 1e-9 if metric == "log_loss" else 1.0


def check_metric(metric: str) -> None:
    """Refuse a name that no decision can rest on.

    Raises:
        SettingError: the metric is unknown.
    """
    if metric not in METRICS:
        raise SettingError(f"decision.metric: unknown metric '{metric}'; {nearest(metric, METRICS)}")


def run_metrics(
    clients: Mapping[str, Array], pooled: Mapping[str, float | None], seen: Array, metric: str = "accuracy"
) -> dict[str, float | None]:
    """Summarise one run (one arm, one seed) as its record holds it; None where no client has a value.

    Args:
        clients: as ``client_metrics`` returns.
        pooled: as ``pooled_metrics`` returns, over the seen clients' rows; None where that is not known.
        seen: which clients are not held out ``(clients,)`` bool.
        metric: what ``worst_decile``, the boundary of the worst tenth of the seen clients, and
            ``worst_client`` measure.

    Returns:
        ``client_<metric>``, the unweighted mean over seen clients; ``pooled_<metric>``, over examples;
        ``unseen_client_<metric>``, over held-out clients; ``worst_decile``; ``worst_client``.
    """
    check_metric(metric)
    seen = np.asarray(seen, dtype=bool)
    sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
    worst = sign * clients[metric][seen]
    found = {f"client_{name}": nan_mean(clients[name][seen]) for name in METRICS}
    found |= {f"pooled_{name}": np.nan if (value := pooled[name]) is None else float(value) for name in METRICS}
    found |= {f"unseen_client_{name}": nan_mean(clients[name][~seen]) for name in METRICS}
    found |= {
        "worst_decile": sign * low_quantile(worst, 0.1),
        "worst_client": sign * low_quantile(worst, 0.0),
    }
    return {name: finite(value) for name, value in found.items()}


def nan_mean(values: Array) -> float:
    """Mean of the values that are there; NaN when none is."""
    return float(nan_means(np.reshape(values, -1), 0))


def nan_means(values: Array, axis: int) -> Array:
    """Means over one axis of the values that are there; NaN where none is."""
    present = np.isfinite(values)
    return _ratio(np.where(present, values, 0.0).sum(axis=axis), present.sum(axis=axis))


def low_quantile(values: Array, share: float) -> float:
    """Quantile of the values that are there, interpolated linearly; NaN when none is."""
    present = values[np.isfinite(values)]
    return float(np.quantile(present, share)) if present.size else float("nan")


def _count(client_of: Array, classes: Array, num_clients: int, num_classes: int) -> Array:
    """Count rows per client and class: ``(clients, classes)``."""
    cells = client_of.astype(np.int64) * num_classes + classes
    return np.bincount(cells, minlength=num_clients * num_classes).reshape(num_clients, num_classes)


def _sum(client_of: Array, values: Array, num_clients: int) -> Array:
    return np.bincount(client_of, weights=values, minlength=num_clients)


def _ratio(part: Array, whole: Array) -> Array:
    shares: Array = np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0)
    return shares


def _mean_over_classes(part: Array, whole: Array) -> Array:
    """Mean of part / whole over the classes whose whole is not empty."""
    shares = np.divide(part, whole, out=np.zeros(whole.shape), where=whole > 0)
    return _ratio(shares.sum(axis=1), (whole > 0).sum(axis=1))


def _calibration(hits: Array, confidence: Array, client_of: Array, num_clients: int) -> Array:
    # Bins are (low, high], as in the paper.
    bins = np.clip(np.ceil(confidence * CALIBRATION_BINS).astype(np.int64) - 1, 0, CALIBRATION_BINS - 1)
    cells = client_of.astype(np.int64) * CALIBRATION_BINS + bins
    gaps = np.bincount(cells, weights=hits - confidence, minlength=num_clients * CALIBRATION_BINS)
    total = np.abs(gaps).reshape(num_clients, CALIBRATION_BINS).sum(axis=1)
    return _ratio(total, np.bincount(client_of, minlength=num_clients))


def _check(labels: Array, probabilities: Array, client_of: Array, num_clients: int) -> None:
    rows = len(labels)
    if probabilities.ndim != 2 or len(probabilities) != rows or client_of.shape != (rows,):
        raise DataError(
            f"metrics: labels, probabilities and client_of need one row per example, got shapes "
            f"{labels.shape}, {probabilities.shape} and {client_of.shape}; pass (n,), (n, classes) and (n,)"
        )
    _check_range("labels", labels, probabilities.shape[1], "columns of probabilities")
    _check_range("client_of", client_of, num_clients, "clients")


def _check_range(name: str, values: Array, limit: int, of: str) -> None:
    if values.size and not (values.min() >= 0 and values.max() < limit):
        raise DataError(
            f"metrics: {name} must lie in 0 … {limit - 1} (one of the {limit} {of}), "
            f"got {values.min()} … {values.max()}; drop or relabel those rows"
        )
