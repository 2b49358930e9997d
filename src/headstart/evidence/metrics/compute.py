"""Every metric of every client at once, by kind of task."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from headstart.core.arrays import Array
from headstart.core.task import Task, TaskKind
from headstart.evidence.metrics import classes, labels, numbers, times
from headstart.evidence.metrics.measure import TIES, metrics_of
from headstart.evidence.metrics.own import is_function, measure_of, own_values
from headstart.evidence.metrics.scored import Scored, Scoring

_Each = Callable[[Scored], Array]

_FEW_CLASSES = 32
"""Classes up to which each is put in order though another metric decides."""
_RANKED = ("auroc", "auprc")


def _mean(part: _Each) -> _Each:
    """Make a metric of its parts."""
    return lambda s: s.means(part(s))


_VALUES: Mapping[TaskKind, Mapping[str, _Each]] = {
    "classification": {
        "accuracy": _mean(classes.right),
        "balanced_accuracy": classes.balanced_accuracy,
        "macro_f1": classes.macro_f1,
        "auroc": classes.auroc,
        "auprc": classes.auprc,
        "f1": classes.f1,
        "sensitivity_at_specificity": classes.sensitivity,
        "log_loss": _mean(classes.log_losses),
        "brier": _mean(classes.briers),
        "calibration_error": classes.calibration_error,
    },
    "multilabel": {
        "auroc": labels.auroc,
        "auprc": labels.auprc,
        "f1": labels.f1,
        "hamming_accuracy": _mean(labels.right),
        "log_loss": _mean(labels.log_losses),
        "brier": _mean(labels.briers),
    },
    "regression": {
        "mae": _mean(numbers.absolute),
        "rmse": numbers.rmse,
        "r2": numbers.r2,
        "spearman": numbers.spearman,
    },
    "survival": {"c_index": times.c_index},
}

_PARTS: Mapping[TaskKind, Mapping[str, _Each]] = {
    "classification": {
        "accuracy": classes.right,
        "balanced_accuracy": classes.right,
        "auroc": classes.auroc_parts,
        "log_loss": classes.log_losses,
        "brier": classes.briers,
    },
    "multilabel": {
        "auroc": labels.auroc_parts,
        "hamming_accuracy": labels.right,
        "log_loss": labels.log_losses,
        "brier": labels.briers,
    },
    "regression": {"mae": numbers.absolute, "rmse": numbers.rmse_parts, "r2": numbers.r2_parts},
    "survival": {"c_index": times.c_index_parts},
}

_CUTS: Mapping[TaskKind, Mapping[str, _Each]] = {
    "classification": {"f1": classes.best_cuts, "sensitivity_at_specificity": classes.specific_cuts},
    "multilabel": {"f1": labels.best_cuts},
    "regression": {},
    "survival": {},
}


def client_metrics(
    truth: Array,
    predictions: Array,
    client_of: Array,
    num_clients: int,
    task: Task,
    *,
    scoring: Scoring | None = None,
    cuts: Mapping[str, Array] | None = None,
    names: Iterable[str] | None = None,
) -> dict[str, Array]:
    """Compute metrics of every client.

    Args:
        truth: of each row ``(n, …)``, as the task says.
        predictions: of each row ``(n, outputs)``, likewise. A row that is not finite (a diverged model) counts as
            certain and wrong.
        client_of: client index of each row ``(n,)`` int, each in ``0 … num_clients - 1``.
        num_clients: number of clients; one without rows gets NaN, and ``num_examples`` 0.
        task: what both mean.
        scoring: of the decision.
        cuts: thresholds by metric, see :class:`~headstart.evidence.metrics.scored.Scored`.
        names: of the metrics wanted; None wants all of the task and the decision's.

    Returns:
        Arrays ``(num_clients,)`` float64 by name, and ``num_examples``. What each means stands in ``MEASURES``; NaN
        where a client's rows do not define it.

    Raises:
        DataError: shapes disagree, or a class or client index is out of range.
        SettingError: a metric of the user's own fails.

    >>> from headstart.core.task import classification
    >>> truth, clients = np.array([0, 1, 1]), np.array([0, 0, 1])
    >>> said = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])
    >>> found = client_metrics(truth, said, clients, 2, classification(("a", "b")))
    >>> found["accuracy"].tolist(), found["auroc"].tolist(), found["num_examples"].tolist()
    ([0.5, 1.0], [1.0, nan], [2.0, 1.0])
    """
    scored = _scored(truth, predictions, client_of, num_clients, task, scoring, cuts)
    wanted = tuple(names) if names is not None else _all_metrics(task, scored.scoring)
    found = {name: own_values(scored) if is_function(name) else _VALUES[task.kind][name](scored) for name in wanted}
    return {**found, "num_examples": scored.examples}


def pooled_metrics(
    truth: Array,
    predictions: Array,
    task: Task,
    *,
    scoring: Scoring | None = None,
    cuts: Mapping[str, Array] | None = None,
    names: Iterable[str] | None = None,
) -> dict[str, float]:
    """Compute the same metrics over all rows as one data set (over examples, not the mean over clients).

    >>> from headstart.core.task import classification
    >>> said = np.array([[0.9, 0.1], [0.8, 0.2]])
    >>> pooled_metrics(np.array([0, 1]), said, classification(("a", "b")))["balanced_accuracy"]
    0.5
    """
    one = np.zeros(len(truth), dtype=np.int64)
    found = client_metrics(truth, predictions, one, 1, task, scoring=scoring, cuts=cuts, names=names)
    return {name: float(values[0]) for name, values in found.items()}


def choose_cuts(
    truth: Array, predictions: Array, client_of: Array, num_clients: int, task: Task, scoring: Scoring | None = None
) -> dict[str, Array]:
    """Choose every client's thresholds on its validation predictions; arguments as ``client_metrics``.

    Returns:
        By metric ``(clients, labels)``: above which a row counts as positive; NaN where validation rows cannot say,
        since a client has none of one class.
    """
    scored = _scored(truth, predictions, client_of, num_clients, task, scoring, None)
    able = _all_metrics(task, scored.scoring)
    return {name: choose(scored) for name, choose in _CUTS[task.kind].items() if name in able}


def example_parts(
    truth: Array,
    predictions: Array,
    client_of: Array,
    num_clients: int,
    task: Task,
    metric: str,
    scoring: Scoring | None = None,
) -> Array | None:
    """Return of each row its part of its client's metric ``(n,)``; None of a metric that is no mean of parts.

    A client's metric is the mean of its rows' parts; where the measure is ``by_class``, the mean over its classes of
    their means. Of a mean over rows a part is the row's own score; of others what the row moves (influence values), so
    that the parts' spread is the metric's.

    >>> from headstart.core.task import Task
    >>> task = Task(kind="regression", outputs=("y",))
    >>> said, true = np.array([[1.0], [5.0]]), np.array([[0.0], [0.0]])
    >>> example_parts(true, said, np.zeros(2, int), 1, task, "mae").tolist()
    [1.0, 5.0]
    """
    part = _PARTS[task.kind].get(metric)
    return part(_scored(truth, predictions, client_of, num_clients, task, scoring, None)) if part else None


def class_metrics(truth: Array, predictions: Array, task: Task) -> dict[str, list[float]]:
    """Compute metrics of every class, or label, over all rows as one data set; none of other tasks, or very many.

    Returns:
        By metric a value for each class: ``recall`` and ``f1`` by the likeliest class, of labels at one half;
        ``auroc`` and ``auprc`` of each class against all others; and ``num_examples`` that have it.
    """
    if task.kind not in ("classification", "multilabel"):
        return {}
    scored = _scored(truth, predictions, np.zeros(len(truth), dtype=np.int64), 1, task, None, None)
    single = task.kind == "classification"
    if task.num_outputs > _FEW_CLASSES:
        return {}
    ranked = list(classes.each_ranked(scored) if single else labels.each_ranked(scored))
    recall, f1 = (classes.each_recall(scored)[0], classes.each_f1(scored)[0]) if single else labels.at_one_half(scored)
    return {
        "num_examples": [float(one.positives[0]) for one in ranked],
        "recall": recall.tolist(),
        "f1": f1.tolist(),
        "auroc": [float(one.auroc[0]) for one in ranked],
        "auprc": [float(one.average_precision[0]) for one in ranked],
    }


def _all_metrics(task: Task, scoring: Scoring) -> tuple[str, ...]:
    """Name the metrics of a task that can be computed, and the decision's if it is the user's own."""
    found = list(metrics_of(task.kind))
    if task.kind == "classification" and scoring.positive_of(task) is None:
        found = [name for name in found if name not in _CUTS[task.kind]]
    if task.kind == "classification" and task.num_outputs > _FEW_CLASSES:
        found = [name for name in found if name not in _RANKED or name == scoring.metric]
    return (*found, *((scoring.metric,) if is_function(scoring.metric) else ()))


def deciding(task: Task, scoring: Scoring) -> tuple[str, ...]:
    """Name the metrics that decide between two predictors: the decision's, and that for equals."""
    return tuple(dict.fromkeys((scoring.metric, TIES[task.kind])))


def better(old: Mapping[str, Array], new: Mapping[str, Array], task: Task, scoring: Scoring) -> Array:
    """Return of which clients new metrics are better ``(clients,)``; equal or undefined ones leave it to ``TIES``."""
    first, second = (_gain(old, new, name, task) for name in (scoring.metric, TIES[task.kind]))
    undefined = np.isnan(old[scoring.metric]) & np.isnan(new[scoring.metric])
    found: Array = (first > 0) | (((first == 0) | undefined) & (second > 0))
    return found


def _gain(old: Mapping[str, Array], new: Mapping[str, Array], name: str, task: Task) -> Array:
    sign = measure_of(name, task).sign
    with np.errstate(invalid="ignore"):
        gain: Array = sign * (new[name] - old[name])
    return gain


def _scored(
    truth: Array,
    predictions: Array,
    client_of: Array,
    num_clients: int,
    task: Task,
    scoring: Scoring | None,
    cuts: Mapping[str, Array] | None,
) -> Scored:
    rows = (np.asarray(truth), np.asarray(predictions), np.asarray(client_of))
    return Scored(*rows, num_clients, task, scoring or Scoring(), cuts or {})
