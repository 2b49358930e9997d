"""What a study has left to do, and about how long it takes: steps are counted, a few of each kind timed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from headstart.core.progress import Silent
from headstart.study.durations import Durations, Took
from headstart.study.makespan import Load, makespan
from headstart.study.plan import Costs
from headstart.study.run.folder import RunFolder
from headstart.study.run.pipeline import Pipeline, pipeline_of
from headstart.study.run.tuning import num_trials, trial_arms, tuned_with
from headstart.study.run.work import TRIAL_VIEWS
from headstart.study.ways import keeping
from headstart.study.written.arms import Arm, Stage
from headstart.study.written.schema import StudySettings
from headstart.study.written.slate import Slate


@dataclass(frozen=True)
class Branch:
    """One node of the prefix tree, all seeds and tuning trials together.

    Attributes:
        path: the stages from the start to this one, in words.
        seconds: still to go, roughly.
        arms: that end here.
        done: whether every seed, and every trial, is finished.
        way: how the engine trains the clients; empty where none is to be trained.
        runs: how many are still to go, each seed's and each trial's.
        alone: seconds still to go in one process of one thread.
    """

    path: tuple[str, ...]
    seconds: float
    arms: tuple[str, ...]
    done: bool
    way: str = ""
    runs: int = 0
    alone: float = 0.0


def estimate(slate: Slate, settings: StudySettings, costs: Costs, out: Path) -> list[Branch]:
    """Return the branches of the prefix tree, parents before children; a few steps are timed, nothing is trained.

    Args:
        slate: the arms.
        settings: the study's tables.
        costs: what arms cost.
        out: run folder, of which finished work is known.
    """
    clock = _Estimate(settings, costs, RunFolder(out))
    branches: dict[tuple[str, ...], Branch] = {}
    for arm in slate.arms:
        for branch in clock.arm(arm):
            last = _joined(branches.get(branch.path), branch)
            branches[branch.path] = last
        branches[last.path] = replace(last, arms=(*last.arms, arm.name))
    return list(branches.values())


def _joined(before: Branch | None, more: Branch) -> Branch:
    """Add what another arm has to do on a branch, beyond what is counted already."""
    if before is None:
        return more
    seconds, done = before.seconds + more.seconds, before.done and more.done
    runs = before.runs + more.runs
    alone = before.alone + more.alone
    return replace(before, seconds=seconds, done=done, way=before.way or more.way, runs=runs, alone=alone)


def seconds_of(branches: Sequence[Branch], workers: int) -> float:
    """Return about how long the rest takes in several processes of one thread each, see :func:`makespan`.

    Args:
        branches: parents before children.
        workers: processes, on one machine or on many.
    """
    places = {branch.path: at for at, branch in enumerate(branches)}
    loads = [Load(one.alone, max(1, one.runs), places.get(one.path[:-1])) for one in branches]
    return makespan(loads, workers)


def seconds_of_run(settings: StudySettings, costs: Costs, out: Path) -> Callable[[Arm, int], float]:
    """Return what says about how long an arm takes with a seed, without what is finished.

    Args:
        settings: the study's tables.
        costs: what arms cost.
        out: run folder.
    """

    @cache
    def clock() -> _Estimate:
        return _Estimate(settings, costs, RunFolder(out))

    return lambda arm, seed: clock().one(arm, seed)


@dataclass(frozen=True)
class _Run:
    """One configuration of an arm at one seed, a tuning trial or a final run."""

    arm: Arm
    pipeline: Pipeline
    views: tuple[str, ...]


class _Estimate:
    def __init__(self, settings: StudySettings, costs: Costs, folder: RunFolder) -> None:
        self.settings, self.lab, self.folder = settings, costs.lab, folder
        self.pipelines = [pipeline_of(settings, self.lab, folder.store, seed, Silent().tell) for seed in settings.seeds]
        self.durations = Durations(self.lab, keeping(self.lab.engine, folder.path), costs.population)
        self._counted: set[str] = set()

    def arm(self, arm: Arm) -> Iterator[Branch]:
        """Yield each stage's branch, with the work that no arm before had on it."""
        runs = self._runs(arm)
        path: tuple[str, ...] = ()
        for position, stage in enumerate((arm.start, *arm.federate, arm.adapt)):
            path = (*path, f"{stage.kind} {_words(stage, self.settings.training)}")
            keys = {self._key(run, position): run for run in runs}
            left = {key: run for key, run in keys.items() if not self._has(run, key)}
            new = [run for key, run in left.items() if key not in self._counted]
            self._counted |= left.keys()
            took = sum((self._took(run, position) for run in new), Took())
            trains = bool(left) and position > 0 and not getattr(stage.build(), "changes_nothing", False)
            way = self.durations.way(arm, stage) if trains else ""
            yield Branch(path, took.here, (), not left, way, len(new), took.alone)

    def one(self, arm: Arm, seed: int) -> float:
        """Return the seconds of the run with one seed, without its nodes that are finished."""
        pipeline = next(one for one in self.pipelines if one.seed == seed)
        run = _Run(self._chosen(self._trials(arm), seed), pipeline, pipeline.final_views)
        places = range(len(arm.federate) + 2)
        return sum(self._took(run, place).here for place in places if not self._has(run, self._key(run, place)))

    def _runs(self, arm: Arm) -> list[_Run]:
        """Return all that an arm has to do: its trials with the seeds that choose, then what was chosen with each."""
        trials = self._trials(arm)
        choosing = {seed for group in tuned_with(arm, self.settings.seeds) for seed in group if len(trials) > 1}
        tried = [_Run(trial, p, TRIAL_VIEWS) for p in self.pipelines if p.seed in choosing for trial in trials]
        return [*tried, *(_Run(self._chosen(trials, p.seed), p, p.final_views) for p in self.pipelines)]

    def _trials(self, arm: Arm) -> list[Arm]:
        tuning = self.settings.tuning
        return trial_arms(arm, num_trials(tuning.trials, self.lab.federation), tuning.seed)

    def _chosen(self, trials: Sequence[Arm], seed: int) -> Arm:
        """Return the configuration that a finished run had; the written one where there is none."""
        line = self.folder.records.get(trials[0].name, seed)
        return next((trial for trial in trials if line and trial.as_json() == line["settings"]), trials[0])

    def _key(self, run: _Run, position: int) -> str:
        arm, pipeline = run.arm, run.pipeline
        if position <= len(arm.federate):
            return pipeline.trunk_key(Arm(arm.name, arm.start, arm.federate[:position]))
        return pipeline.leaf_key(pipeline.trunk_key(arm), arm.adapt, run.views)

    def _has(self, run: _Run, key: str) -> bool:
        """Say whether a node is finished; what led to a finished last node is, though its weights may be gone."""
        store = self.folder.store
        return store.has(key) or store.has(self._key(run, len(run.arm.federate) + 1))

    def _took(self, run: _Run, position: int) -> Took:
        arm = run.arm
        if position == 0:
            return self.durations.start(arm)
        if position <= len(arm.federate):
            return self.durations.federate(arm, position - 1)
        return self.durations.adapt(arm, run.views)


def _words(stage: Stage, common: Mapping[str, Any]) -> str:
    """Say a stage in a few words, without the settings that the whole study has in common."""
    own = {name: value for name, value in stage.settings.items() if common.get(name) != value}
    settings = ", ".join(f"{name} {value}" for name, value in own.items())
    return f"{stage.method} ({settings})" if settings else stage.method
