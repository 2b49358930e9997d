"""What a study has left to do, and about how long it takes: steps are counted, a few of each kind timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

import torch

from headstart.core.content import hash_json
from headstart.core.progress import Silent
from headstart.core.trees import Params
from headstart.costs.compute import count_flops, flops_per_example
from headstart.engine.rounds import members
from headstart.engine.ways.placement import PER_CLIENT, Placement
from headstart.models.batch import Batch
from headstart.models.model import Model, Trainable, cut_at
from headstart.models.network import Network
from headstart.study.clock import Clock, Work
from headstart.study.plan import Costs
from headstart.study.run.folder import RunFolder
from headstart.study.run.pipeline import Pipeline, pipeline_of
from headstart.study.run.tuning import num_trials, ranges, trial_arms, tuned_with
from headstart.study.run.work import TRIAL_VIEWS
from headstart.study.ways import placement_of
from headstart.study.written.arms import Arm, Stage
from headstart.study.written.schema import StudySettings
from headstart.study.written.slate import Slate

STACKED = 8
"""Clients of a stack whose step takes about the time of one client's."""

PER_STEP = 0.00015
"""Seconds that a step takes beside its arithmetic: its batch is drawn and gathered."""


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
    """

    path: tuple[str, ...]
    seconds: float
    arms: tuple[str, ...]
    done: bool
    way: str = ""
    runs: int = 0


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
    return replace(before, seconds=seconds, done=done, way=before.way or more.way, runs=runs)


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
        people = costs.population
        self.clock = Clock(people.raw.to(self.lab.device), people.num_examples)
        self._counted: set[str] = set()
        self._built: dict[bool, tuple[Network, Params]] = {}

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
            seconds = sum(self._seconds(run, position) for run in new)
            trains = bool(left) and position > 0 and not getattr(stage.build(), "changes_nothing", False)
            yield Branch(path, seconds, (), not left, self._way(arm, stage) if trains else "", len(new))

    def _runs(self, arm: Arm) -> list[_Run]:
        """Return all that an arm has to do: its trials with the seeds that choose, then what was chosen with each."""
        trials = trial_arms(
            arm, num_trials(self.settings.tuning.trials, self.lab.federation), self.settings.tuning.seed
        )
        choosing = {seed for group in tuned_with(arm, self.settings.seeds) for seed in group if len(trials) > 1}
        tried = [_Run(trial, p, TRIAL_VIEWS) for p in self.pipelines if p.seed in choosing for trial in trials]
        return [*tried, *(_Run(self._chosen(trials, p.seed), p, p.final_views) for p in self.pipelines)]

    def _chosen(self, trials: Sequence[Arm], seed: int) -> Arm:
        """Return the configuration that a finished run had; the written one where there is none."""
        line = self.folder.records.get(trials[0].name, seed)
        return next((trial for trial in trials if line and trial.as_json() == line["settings"]), trials[0])

    def _key(self, run: _Run, position: int) -> str:
        arm, pipeline = run.arm, run.pipeline
        if position <= len(arm.federate):
            return pipeline.trunk_key(replace(arm, federate=arm.federate[:position]))
        return pipeline.leaf_key(pipeline.trunk_key(arm), arm.adapt, run.views)

    def _has(self, run: _Run, key: str) -> bool:
        """Say whether a node is finished; what led to a finished last node is, though its weights may be gone."""
        store = self.folder.store
        return store.has(key) or store.has(self._key(run, len(run.arm.federate) + 1))

    def _seconds(self, run: _Run, position: int) -> float:
        arm = run.arm
        if position == 0:
            return self._start_seconds(arm.start)
        if position <= len(arm.federate):
            return self._federate_seconds(arm, arm.federate[position - 1])
        return self._adapt_seconds(arm, run.views)

    def _federate_seconds(self, arm: Arm, stage: Stage) -> float:
        """Return the seconds of all rounds, and of the learning curve."""
        method, schedule = stage.build(), stage.build().schedule
        model, params = self._cut(method.trainable, from_scratch=arm.start.build().from_scratch)
        shared, private, _ = method.init(model, params)
        clients = len(members(self.lab.federation.seen_clients))
        # The pooled reference is one client who has what all have: as many steps, one after another.
        cohort, rounds = (1, clients) if method.pooled else (schedule.cohort_of(clients), schedule.rounds)
        trained = self._trained(
            arm, stage, lambda data: method.client_update(model, shared, private, data), rounds, cohort
        )
        points: int = min(schedule.rounds, 10) + 1
        validated = sum(len(client.val) for client in self.lab.federation.seen_clients)
        return trained + points * validated * self._forward

    def _adapt_seconds(self, arm: Arm, views: Sequence[str]) -> float:
        """Return the seconds of all clients' adaptation, and of their evaluation."""
        method, clients = arm.adapt.build(), self.lab.federation.clients
        rows = [len(part) for view in views for part in self.lab.views(self.lab.federation)[view]]
        if method.changes_nothing:
            own = sum(len(client.val) + len(client.test) for client in clients)
            return own * self._forward
        model, params = self._cut(method.trainable, from_scratch=arm.start.build().from_scratch)
        trained = self._trained(arm, arm.adapt, lambda data: method(model, params, data), 1, len(clients))
        forward = self._forward * sum(rows) * (0.0 if model.is_head_only else 1.0)
        return trained + forward

    def _trained(self, arm: Arm, stage: Stage, work: Work, rounds: int, cohort: int) -> float:
        """Return the seconds of client work; steps of a kind are timed once, whatever their number and size."""
        known = {name: value for name, value in stage.settings.items() if name not in ranges(stage)}
        name = hash_json([stage.kind, stage.method, arm.start.build().from_scratch, known])
        steps = self.clock.steps(work)
        one = self.clock.time(name, work).of(steps)
        placement = self._placement(arm, stage)
        if placement and placement.way == "stack" and cohort > 1:
            return rounds * (one * max(1.0, cohort / STACKED) + steps * PER_STEP)
        workers = placement.workers if placement else 1
        return rounds * cohort * (one + steps * PER_STEP + PER_CLIENT) / workers

    def _way(self, arm: Arm, stage: Stage) -> str:
        placement = self._placement(arm, stage)
        return str(placement) if placement else "one client after another"

    def _placement(self, arm: Arm, stage: Stage) -> Placement | None:
        method, start = stage.build(), arm.start.build()
        return placement_of(self.lab, self._cut(method.trainable, from_scratch=start.from_scratch)[0], method)

    def _start_seconds(self, stage: Stage) -> float:
        """Return what pre-training takes if it never stops early."""
        method, central = stage.build(), self.lab.federation.central
        if central is None or not hasattr(method, "epochs"):
            return 0.1
        model, params = self._cut(getattr(method, "trainable", "head"), from_scratch=method.from_scratch)
        flops = flops_per_example(model, params, self.clock.raw)
        return float(len(central) * method.epochs * flops.training / self.rate)

    def _cut(self, trainable: Trainable, *, from_scratch: bool) -> tuple[Model, Params]:
        """Return a model with first weights, built once of each kind."""
        if from_scratch not in self._built:
            self._built[from_scratch] = self.lab.begin(0, from_scratch=from_scratch)
        return cut_at(*self._built[from_scratch], trainable)

    @cached_property
    def _forward(self) -> float:
        """Seconds of a prediction of the whole network, per example."""
        model, params = self._cut("all", from_scratch=True)
        inputs = model.activations(self.lab.activations.raw(slice(0, 64)))
        with torch.no_grad():
            return _usual(lambda: model.logits(params, inputs)) / max(1, len(inputs))

    @cached_property
    def rate(self) -> float:
        """Floating-point operations per second of a training step of the whole network."""
        model, params = self._cut("all", from_scratch=True)
        inputs = model.activations(self.lab.activations.raw(slice(0, 32)))
        labels = torch.zeros(len(inputs), dtype=torch.int64, device=inputs.device)
        batch = Batch(inputs, labels, torch.ones(len(inputs), device=inputs.device))
        flops = count_flops(lambda: model.gradient(params, batch))
        return max(flops, 1) / _usual(lambda: model.gradient(params, batch))


def _usual(work: Callable[[], Any]) -> float:
    """Return the median of three times that work takes, in seconds."""
    times = []
    for _ in range(3):
        begin = time.thread_time()
        work()
        times.append(time.thread_time() - begin)
    return median(times)


def _words(stage: Stage, common: Mapping[str, Any]) -> str:
    """Say a stage in a few words, without the settings that the whole study has in common."""
    own = {name: value for name, value in stage.settings.items() if common.get(name) != value}
    settings = ", ".join(f"{name} {value}" for name, value in own.items())
    return f"{stage.method} ({settings})" if settings else stage.method
