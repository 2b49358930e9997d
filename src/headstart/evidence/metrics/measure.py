"""What a score means: which way is better, in which unit, within which range, and where it is not defined."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from headstart.core.errors import SettingError, nearest
from headstart.core.task import Task, TaskKind

SHARE, TARGET = "points", "target"
"""Units: of a share, whose differences are percentage points; and of the target, by its name where that is known."""

_CLASSES: tuple[TaskKind, ...] = ("classification",)
_LABELLED: tuple[TaskKind, ...] = ("classification", "multilabel")
_NUMBERS: tuple[TaskKind, ...] = ("regression",)
_TIMES: tuple[TaskKind, ...] = ("survival",)

_MOST_LOSS = float(-math.log(2.0**-52)) + 1e-9
_ONE_CLASS = "one class only"
_UNCUT = "no validation example of one class or no positive test example"


@dataclass(frozen=True)
class Measure:
    """A metric, apart from how it is computed.

    Attributes:
        name: as ``decision.metric`` says it.
        kinds: of the tasks that it judges; empty for a metric of the user's own.
        lower_is_better: whether less is better.
        unit: ``points`` of a share, ``nats``, the target's name or ``SD`` where there are several; empty for none.
        low: what it is at the least.
        high: what it is at the most.
        undefined: at which clients it has no value.
        by_example: whether it is a mean of examples' parts, see ``example_parts``: so that an interval can speak of
            these clients.
        by_class: whether those parts are averaged class by class.
    """

    name: str
    kinds: tuple[TaskKind, ...] = ()
    lower_is_better: bool = False
    unit: str = SHARE
    low: float = 0.0
    high: float = 1.0
    undefined: str = ""
    by_example: bool = False
    by_class: bool = False

    @property
    def is_share(self) -> bool:
        """Whether it lies in [0, 1], so that differences are points."""
        return self.unit == SHARE

    @property
    def sign(self) -> float:
        """What turns its values so that greater is better."""
        return -1.0 if self.lower_is_better else 1.0

    @property
    def words(self) -> str:
        """Its name in plain words."""
        return _WORDS.get(self.name, self.name.replace("_", " ") if self.kinds else self.name)

    def number(self, value: float) -> str:
        """Write a value or a difference without its unit, a share in hundredths.

        >>> measure("auroc").number(0.1114), measure("log_loss").number(0.25), measure("mae").number(12.34)
        ('11.1', '0.250', '12.3')
        >>> replace(measure("mae"), unit="mol/l").number(0.00004)
        '4e-05'
        """
        if self.is_share:
            return f"{100 * value:.1f}"
        if self.is_tiny(value):
            return f"{value:.3g}"
        return f"{value:.3f}" if abs(value) < 1 or not self.is_of_target else _three_digits(value)

    def is_tiny(self, value: float) -> bool:
        """Whether three decimals would say little of a value: the unit of what is predicted may be small."""
        return self.is_of_target and 0 < abs(value) < 0.01

    def written(self, value: float) -> str:
        """Write a value as a table has it: a share in percent.

        >>> measure("auroc").written(0.81249), measure("mae").written(12.34)
        ('81.2%', '12.3')
        """
        return f"{self.number(value)}%" if self.is_share else self.number(value)

    def amount(self, value: float) -> str:
        """Write a difference without its sign, in its unit.

        >>> measure("auroc").amount(-0.01), measure("log_loss").amount(0.25), measure("r2").amount(0.1)
        ('1 point', '0.250 nats', '0.100')
        """
        text = self.number(abs(value))
        text = text.removesuffix(".0") if self.is_share else text
        unit = "point" if self.is_share and text == "1" else self.unit
        return f"{text} {unit}".rstrip()

    @property
    def is_of_target(self) -> bool:
        """Whether it is in the unit of what is predicted."""
        return self.kinds == _NUMBERS and self.unit not in ("", SHARE)


def _three_digits(value: float) -> str:
    """Write three digits that mean something, and no fewer than those before the point.

    >>> _three_digits(12.345), _three_digits(1234.5)
    ('12.3', '1234')
    """
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


_WORDS: Mapping[str, str] = {
    "macro_f1": "macro-F1",
    "f1": "F1",
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "brier": "Brier score",
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "r2": "R²",
    "spearman": "Spearman correlation",
    "c_index": "C-index",
    "sensitivity_at_specificity": "sensitivity at a specificity",
}

MEASURES: Mapping[str, Measure] = {
    one.name: one
    for one in (
        Measure("accuracy", _CLASSES, by_example=True),
        Measure("balanced_accuracy", _CLASSES, by_example=True, by_class=True),
        Measure("macro_f1", _CLASSES),
        Measure("auroc", _LABELLED, undefined=_ONE_CLASS, by_example=True, by_class=True),
        Measure("auprc", _LABELLED, undefined=_ONE_CLASS),
        Measure("f1", _LABELLED, undefined=_UNCUT),
        Measure("sensitivity_at_specificity", _CLASSES, undefined=_UNCUT),
        Measure("hamming_accuracy", ("multilabel",), by_example=True),
        Measure("log_loss", _LABELLED, lower_is_better=True, unit="nats", high=_MOST_LOSS, by_example=True),
        Measure("brier", _LABELLED, lower_is_better=True, unit="", high=2.0, by_example=True),
        Measure("calibration_error", _CLASSES, lower_is_better=True),
        Measure("mae", _NUMBERS, lower_is_better=True, unit=TARGET, high=math.inf, by_example=True),
        Measure("rmse", _NUMBERS, lower_is_better=True, unit=TARGET, high=math.inf, by_example=True),
        Measure("r2", _NUMBERS, unit="", low=-math.inf, undefined="one value of the target only", by_example=True),
        Measure("spearman", _NUMBERS, unit="", low=-1.0, undefined="one value of the target only"),
        Measure("c_index", _TIMES, undefined="no two examples that can be put in order", by_example=True),
    )
}
"""Every metric that comes along, by name."""

CUT = ("f1", "sensitivity_at_specificity")
"""Metrics that need a threshold, which validation data choose."""

DEFAULTS: Mapping[TaskKind, str] = {
    "classification": "balanced_accuracy",
    "multilabel": "auroc",
    "regression": "mae",
    "survival": "c_index",
}
"""What decides where nobody said."""

TIES: Mapping[TaskKind, str] = {
    "classification": "log_loss",
    "multilabel": "log_loss",
    "regression": "mae",
    "survival": "c_index",
}
"""What decides between equals, and where the decision's metric is not defined."""


def metrics_of(kind: TaskKind) -> tuple[str, ...]:
    """Name the metrics of a kind of task.

    >>> metrics_of("survival")
    ('c_index',)
    """
    return tuple(name for name, one in MEASURES.items() if kind in one.kinds)


def measure(metric: str | Measure, task: Task | None = None) -> Measure:
    """Return what a metric means, of a task in the task's own unit.

    Raises:
        SettingError: no metric has that name.

    >>> from headstart.core.task import Task
    >>> measure("mae", Task(kind="regression", outputs=("total_UPDRS",))).amount(0.8)
    '0.800 total_UPDRS'
    """
    found = metric if isinstance(metric, Measure) else MEASURES.get(metric)
    if found is None:
        raise SettingError(f"decision.metric: unknown metric '{metric}'; {nearest(str(metric), MEASURES)}")
    if task is None:
        return found
    unit = (task.outputs[0] if task.num_outputs == 1 else "SD") if found.unit == TARGET else found.unit
    return replace(found, unit=unit, by_class=found.by_class and task.kind == "classification")


def measure_in(said: Mapping[str, Any]) -> Measure:
    """Return what a verdict's metric means, by what the verdict says: nothing is imported to read it.

    Args:
        said: with ``metric``, and ``unit`` and ``lower_is_better`` where they were written.

    >>> measure_in({"metric": "own:loss", "unit": "EUR", "lower_is_better": True}).amount(3.5)
    '3.500 EUR'
    """
    name = str(said.get("metric") or "accuracy")
    unit, lower = said.get("unit"), said.get("lower_is_better")
    known = MEASURES.get(name) or Measure(name, unit="", low=-math.inf, high=math.inf)
    unit = known.unit if unit is None else str(unit)
    return replace(known, unit=unit, lower_is_better=known.lower_is_better if lower is None else bool(lower))


def check_metric(metric: str, kind: TaskKind | None = None) -> None:
    """Refuse a name that no decision can rest on.

    Args:
        metric: its name.
        kind: of the task; None where that is not known yet.

    Raises:
        SettingError: the metric is unknown, or does not judge such a task.
    """
    found = measure(metric)
    if kind is not None and kind not in found.kinds:
        raise SettingError(
            f"decision.metric: must judge a task of {kind} ({', '.join(metrics_of(kind))}), received {metric}; "
            "take one of those"
        )


def range_of(metric: str) -> tuple[float, float]:
    """Return between which values a client's metric lies.

    >>> range_of("accuracy"), round(range_of("log_loss")[1], 1)
    ((0.0, 1.0), 36.0)
    """
    found = measure(metric)
    return found.low, found.high
