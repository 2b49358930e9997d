"""What a decision comes to once the data are open: its metric, what matters of it, the class that is looked for."""

from __future__ import annotations

import dataclasses
from typing import TypedDict

import numpy as np

from headstart.core.errors import SettingError, nearest
from headstart.core.task import Task
from headstart.data.federation import Federation
from headstart.evidence.decision import check_min_effect, check_scope
from headstart.evidence.metrics import (
    CUT,
    DEFAULTS,
    Measure,
    check_elsewhere,
    check_metric,
    is_function,
    measure_of,
)
from headstart.study.written.load import StudyFile
from headstart.study.written.schema import DecisionSettings

_SHARE_OF_SD = 0.05
"""Of a target's standard deviation, what matters of an error where nobody said."""


class _Positive(TypedDict):
    positive: int | None
    specificity: float


def decided(file: StudyFile, federation: Federation, *, is_here: bool = True) -> StudyFile:
    """Return a study file whose decision fits the data: what it leaves open is filled in.

    Args:
        file: the study.
        federation: its data.
        is_here: whether the clients' examples are here; a site runs no function that a server names.

    Raises:
        SettingError: the metric does not judge such a task, cannot be imported, or lacks what it needs.
    """
    task, decision = federation.task, file.settings.decision
    if "metric" not in file.decides:
        decision = dataclasses.replace(decision, metric=_default_metric(task, decision))
    if is_function(decision.metric):
        _check_own(decision.metric, file, is_here=is_here)
    else:
        check_metric(decision.metric, task.kind)
    positive_and_specificity(decision, task)
    check_scope(decision.metric, decision.clients)
    if is_here:
        _check_defined(decision.metric, federation)
    of = measure_of(decision.metric, task)
    if "min_effect" not in file.decides:
        decision = dataclasses.replace(decision, min_effect=_default_effect(of, federation, decision))
    check_min_effect(of, decision.min_effect)
    return dataclasses.replace(file, settings=dataclasses.replace(file.settings, decision=decision))


def positive_and_specificity(decision: DecisionSettings, task: Task) -> _Positive:
    """Return the position of the class that is looked for, and the specificity.

    Raises:
        SettingError: there is no such class, or the metric needs one to be named.
    """
    name, known = decision.positive, task.outputs
    if name is None:
        if task.kind == "classification" and len(known) > 2 and decision.metric in CUT:
            raise SettingError(
                f"decision.positive: must name the class that {decision.metric} looks for, one of {len(known)}, "
                f"received nothing; write positive = {known[-1]!r}"
            )
        return {"positive": None, "specificity": decision.specificity}
    if task.kind != "classification":
        raise SettingError(
            f"decision.positive: needs a task of classification, received {name!r} in one of {task.kind}; leave it out"
        )
    if name not in known:
        raise SettingError(f"decision.positive: must be one of the classes, received {name!r}; {nearest(name, known)}")
    return {"positive": known.index(name), "specificity": decision.specificity}


def _check_defined(metric: str, federation: Federation) -> None:
    """Refuse a metric that no client's examples define, before anything runs.

    Raises:
        SettingError: thresholds need validation examples that no client has, or every client's test has one class.
    """
    if metric in CUT and not any(len(client.val) for client in federation.seen_clients):
        raise SettingError(
            f"decision.metric: {metric} chooses its threshold on validation examples, of which no client has any; "
            "set data.split.val above 0, or take auroc"
        )
    if federation.task.kind != "classification" or metric not in ("auroc", "auprc"):
        return
    counts = federation.class_counts("test")
    if counts.sum() and not (np.count_nonzero(counts, axis=1) > 1).any():
        raise SettingError(
            f"decision.metric: {metric} needs test examples of two classes at one client at least, received one class "
            "at each; take log_loss or brier"
        )


def _default_metric(task: Task, decision: DecisionSettings) -> str:
    return decision.metric if task.kind == "classification" else DEFAULTS[task.kind]


def _check_own(metric: str, file: StudyFile, *, is_here: bool) -> None:
    if not is_here:
        check_elsewhere(metric)
    if "min_effect" not in file.decides:
        raise SettingError(
            f"decision.min_effect: must be said for a metric of your own, whose unit is yours, received nothing for "
            f"'{metric}'; write the smallest difference that matters"
        )


def _default_effect(of: Measure, federation: Federation, decision: DecisionSettings) -> float:
    """Return what matters where nobody said: of errors a twentieth of the target's standard deviation."""
    if not of.is_of_target:
        return decision.min_effect
    if federation.task.num_outputs > 1:
        return _SHARE_OF_SD
    rows = [client.train for client in federation.seen_clients if len(client.train)]
    if not rows or not of.lower_is_better:
        return decision.min_effect
    values = federation.examples.truth[sorted({int(row) for own in rows for row in own})]
    return float(f"{_SHARE_OF_SD * float(values.std()):.3g}")
