"""Tuning trials that end early: one whose first clients do worse than the median of earlier trials' same clients.

Optuna's median pruner decides (Akiba, Sano, Yanase, Ohta, Koyama: *Optuna*, KDD 2019, https://arxiv.org/abs/1907.10902);
a step is one more client, in the federation's order. It sees nothing but validation scores of client-side adaptation,
where the time of deep trials goes, and the same trials end in the same place whenever a study is run again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.core.arrays import Array
from headstart.core.errors import HeadstartError
from headstart.data.federation import Federation
from headstart.evidence.metrics import TIES, Scoring, measure_of, pooled_metrics

if TYPE_CHECKING:
    import optuna

STARTUP_TRIALS, FEWEST_CLIENTS = 2, 4
"""Trials that are never ended early, and clients that every trial is given."""


class Pruned(HeadstartError):
    """A trial that was ended early.

    Attributes:
        values: validation scores of the clients that it was given.
    """

    def __init__(self, values: Sequence[float]) -> None:
        super().__init__(f"stopped after {len(values)} clients, worse than the median of the trials before")
        self.values = tuple(values)


class Pruner:
    """Compares the trials of one arm."""

    def __init__(self) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        pruner = optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS, n_warmup_steps=FEWEST_CLIENTS - 1)
        self._study = optuna.create_study(direction="maximize", pruner=pruner)

    def begin(self) -> Watch:
        """Return what watches the next trial."""
        return Watch(self._study, self._study.ask())


@dataclass
class Watch:
    """Watches one trial.

    Attributes:
        study: of all trials.
        trial: this one.
        values: validation scores of the clients so far, larger is better.
    """

    study: optuna.Study
    trial: optuna.Trial
    values: list[float] = field(default_factory=list)

    def see(self, value: float) -> None:
        """Take one more client's score.

        Raises:
            Pruned: the clients so far do worse than in earlier trials.
        """
        self._report(value)
        if self.trial.should_prune():
            raise Pruned(self.values)

    def end(self, values: Sequence[float], *, pruned: bool = False) -> None:
        """Finish the trial with the scores of its clients, those that were seen already among them."""
        import optuna

        for value in values[len(self.values) :]:
            self._report(value)
        state = optuna.trial.TrialState.PRUNED if pruned or not self.values else optuna.trial.TrialState.COMPLETE
        mean = None if state is optuna.trial.TrialState.PRUNED else float(np.mean(self.values))
        self.study.tell(self.trial, mean, state=state)

    def _report(self, value: float) -> None:
        self.values.append(value)
        self.trial.report(float(np.mean(self.values)), len(self.values) - 1)


def sees_clients(watch: Watch, federation: Federation, scoring: Scoring) -> Callable[[int, Mapping[str, Array]], None]:
    """Return what scores a client's predictions on its validation examples, and shows the score to the watch."""
    truth, task, metric = federation.examples.truth, federation.task, scoring.metric
    sign = measure_of(metric, task).sign

    def see(position: int, probabilities: Mapping[str, Array]) -> None:
        client = federation.clients[position]
        if client.seen and len(client.val):
            own = pooled_metrics(truth[client.val], probabilities["val"], task, scoring=scoring, names=[metric])
            if np.isfinite(own[metric]):
                watch.see(sign * own[metric])

    return see


def scores_of(facts: Mapping[str, Any], federation: Federation, metric: str) -> list[float]:
    """Return the validation scores of a finished trial's clients, in the federation's order, larger is better.

    Clients where the metric is not defined are left out; where it is at none, what decides between equals stands for
    it.
    """
    found = _scores(facts, federation, metric)
    return found or _scores(facts, federation, TIES[federation.task.kind])


def _scores(facts: Mapping[str, Any], federation: Federation, metric: str) -> list[float]:
    sign, values = measure_of(metric, federation.task).sign, facts["metrics"].get("val", {}).get(metric, [])
    return [
        sign * value
        for client, value in zip(federation.clients, values, strict=False)
        if client.seen and value is not None
    ]
