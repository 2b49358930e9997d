"""A metric of the user's own: a function of one client's truth and predictions, named in the study file."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import math
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from headstart.core.arrays import Array
from headstart.core.errors import MetricError, SettingError
from headstart.core.task import Task
from headstart.evidence.metrics.measure import Measure, measure
from headstart.evidence.metrics.scored import Scored, Scoring

_PATH = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
Function = Callable[[Array, Array], float]


def is_function(metric: str) -> bool:
    """Whether a metric is named as ``package.module:function``.

    >>> is_function("clinic.scores:net_benefit"), is_function("auroc")
    (True, False)
    """
    return bool(_PATH.fullmatch(metric))


def check_elsewhere(metric: str) -> None:
    """Refuse a metric of the user's own where clients' examples are elsewhere.

    Raises:
        SettingError: it is one.
    """
    if is_function(metric):
        raise SettingError(
            f"decision.metric: must be one that comes along where clients' examples are elsewhere, received "
            f"'{metric}': a site runs no function that a server names; take another metric"
        )


def scoring_key(scoring: Scoring) -> list[str]:
    """Return what scores depend on beside the metric's name; nothing where all is as it always was."""
    said = [] if scoring == Scoring(metric=scoring.metric) else [str(scoring.positive), str(scoring.specificity)]
    if not is_function(scoring.metric):
        return said
    source = inspect.getsourcefile(_own_function(scoring.metric))
    return [*said, hashlib.sha256(Path(source).read_bytes()).hexdigest() if source else ""]


def _own_function(metric: str) -> Function:
    """Import a metric of the user's own; modules beside the working directory are found, too.

    Raises:
        SettingError: there is no such module or function, or it cannot be imported or called.
    """
    module, _, name = metric.partition(":")
    try:
        with _beside():
            found = getattr(importlib.import_module(module), name)
    except Exception as error:
        raise SettingError(
            f"decision.metric: must be a function that can be imported, received '{metric}' "
            f"({type(error).__name__}: {error}); check the path, and that the module is installed or in this folder"
        ) from None
    if not callable(found):
        raise SettingError(f"decision.metric: must name a function, received '{metric}', a {type(found).__name__}")
    checked: Function = found
    return checked


def measure_of(metric: str, task: Task) -> Measure:
    """Return what a metric means, of the user's own by its function's attributes ``lower_is_better`` and ``unit``.

    Raises:
        SettingError: no metric has that name, or it cannot be imported.
    """
    if not is_function(metric):
        return measure(metric, task)
    function = _own_function(metric)
    return Measure(
        metric,
        lower_is_better=bool(getattr(function, "lower_is_better", False)),
        unit=str(getattr(function, "unit", "")),
        low=-math.inf,
        high=math.inf,
        undefined="NaN as its value",
    )


def own_values(s: Scored) -> Array:
    """Return the user's metric of each client ``(clients,)``; NaN for a client without rows.

    Raises:
        MetricError: the function raises an error, or returns no number.
    """
    function, found = _own_function(s.scoring.metric), np.full(s.num_clients, np.nan)
    for client in np.flatnonzero(s.examples):
        mine = s.client_of == client
        try:
            found[client] = float(function(s.truth[mine].copy(), s.predictions[mine].copy()))
        except Exception as error:
            words = " ".join(str(error).split())
            raise MetricError(
                f"decision.metric: '{s.scoring.metric}' must return a number for each client, received "
                f"{type(error).__name__}: {words} for truth {s.truth[mine].shape} and predictions "
                f"{s.predictions[mine].shape}; return nan where it is not defined"
            ) from None
    return found


@contextmanager
def _beside() -> Iterator[None]:
    """Let modules of the working directory be found, as ``python -m`` does."""
    here = os.getcwd()
    known = here in sys.path or "" in sys.path
    if not known:
        sys.path.insert(0, here)
    try:
        yield
    finally:
        if not known:
            sys.path.remove(here)
