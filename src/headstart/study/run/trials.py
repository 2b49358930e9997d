"""Trying an arm's configurations: each is scored on validation data, the best is run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from headstart.core.errors import EngineError, HeadstartError, MetricError, SettingError, StartError
from headstart.core.progress import Progress
from headstart.study.run.pipeline import Pipeline
from headstart.study.run.pruning import Pruned, Pruner, Watch, scores_of
from headstart.study.run.work import TRIAL_VIEWS
from headstart.study.spread.board import never
from headstart.study.written.arms import Arm


class Scored(NamedTuple):
    """What an arm's configurations scored with one seed.

    Attributes:
        scores: of each on validation data, larger is better; None where it failed or was ended early.
        reasons: why any failed.
    """

    scores: list[float | None]
    reasons: list[str]


class OutOfTime(Exception):
    """There was no time left for all trials; those that were made are kept."""


def score_trials(
    trials: Sequence[Arm], pipeline: Pipeline, progress: Progress, is_late: Callable[[], bool] = never
) -> Scored:
    """Score an arm's configurations with one seed.

    Args:
        trials: the written one first.
        pipeline: of the seed.
        progress: told each trial's score.
        is_late: says whether no other trial may begin.

    Raises:
        OutOfTime: it got late before the last one.
        StartError: the start that all trials share cannot be trained.
        EngineError: memory, processes or the device fail: no configuration is to blame.
    """
    pruner, reasons = Pruner(), list[str]()
    scores = []
    for at, one in enumerate(trials):
        if is_late():
            raise OutOfTime
        scores.append(_trial(pipeline, one, at, pruner.begin(), progress, reasons))
    return Scored(scores, reasons)


def best_trial(trials: Sequence[Arm], scored: Sequence[Scored]) -> tuple[Arm, list[dict[str, Any]]]:
    """Return the configuration with the best mean validation score, and all that were tried.

    Args:
        trials: an arm's configurations, the written one first; one alone needs no score.
        scored: of the seeds that choose together.

    Raises:
        SettingError: every trial failed with one of the seeds.
    """
    arm = trials[0]
    if len(trials) == 1:
        return arm, []
    scores = _mean([one.scores for one in scored])
    best = int(np.argmax([-np.inf if score is None else score for score in scores]))
    if scores[best] is None:
        reasons = [reason for one in scored for reason in one.reasons]
        first = f", the first: {reasons[0]}" if reasons else ""
        raise SettingError(f"arms.{arm.name}: every one of {len(trials)} tuning trials failed; lower client_lr{first}")
    table = [
        {"trial": number, "values": changes(arm, trial), "score": score, "chosen": number == best}
        for number, (trial, score) in enumerate(zip(trials, scores, strict=True))
    ]
    return trials[best], table


def _mean(seeds: Sequence[Sequence[float | None]]) -> list[float | None]:
    """Return each trial's mean score over seeds; None where it failed or was ended early with one of them.

    >>> _mean([[1.0, None, 2.0], [3.0, 4.0, None]])
    [2.0, None, None]
    """
    means: list[float | None] = []
    for scores in zip(*seeds, strict=True):
        found = [score for score in scores if score is not None]
        means.append(sum(found) / len(found) if len(found) == len(scores) else None)
    return means


def _trial(
    pipeline: Pipeline, arm: Arm, number: int, watch: Watch, progress: Progress, reasons: list[str]
) -> float | None:
    """Score one configuration on validation data; None if it failed, which adds to the reasons, or was ended early."""
    try:
        # Nothing is won by ending what only evaluates, and trials that are not ended need not wait for each other.
        leaf = pipeline.result(arm, TRIAL_VIEWS, None if arm.adapt.build().changes_nothing else watch)
    except Pruned as stop:
        watch.end(stop.values, pruned=True)
        score, shown = None, str(stop)
    except (StartError, MetricError, EngineError):
        raise
    except HeadstartError as error:
        watch.end((), pruned=True)
        reasons.append(str(error))
        score, shown = None, "failed"
    else:
        found = scores_of(leaf.facts, pipeline.federation, pipeline.metric)
        watch.end(found)
        score = float(np.mean(found)) if found else None
        shown = "failed" if score is None else f"{abs(score):.3f} on validation"
    progress.finish(f"{arm.name}, seed {pipeline.seed}, trial {number}: {shown}")
    return score


def changes(written: Arm, tried: Arm) -> dict[str, Any]:
    """Return the settings that a trial changed, by stage and name."""
    found = {}
    for (path, before), (_, after) in zip(written.stages(), tried.stages(), strict=True):
        for name, value in after.settings.items():
            if before.settings.get(name) != value:
                found[f"{path.removeprefix(f'arms.{written.name}.')}.{name}"] = value
    return found
