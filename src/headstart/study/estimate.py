"""What a study has left to do, and about how long it takes: counted operations over a measured rate."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from headstart.core.progress import Silent
from headstart.core.trees import Params
from headstart.costs.compute import count_flops, flops_per_example
from headstart.models.batch import Batch
from headstart.models.model import Model, Trainable, cut_at
from headstart.models.network import Network
from headstart.study.plan import Costs
from headstart.study.run.nodes import NodeStore
from headstart.study.run.pipeline import FINAL_VIEWS, Pipeline, pipeline_of
from headstart.study.run.tuning import trial_arms
from headstart.study.ways import way_of
from headstart.study.written.arms import Arm, Stage
from headstart.study.written.schema import StudySettings
from headstart.study.written.slate import Slate

_KEEP = Stage("adapt", "keep")


@dataclass(frozen=True)
class Branch:
    """One node of the prefix tree, all seeds together.

    Attributes:
        path: the stages from the start to this one, in words.
        seconds: still to go, roughly; 0 when every seed is finished.
        arms: that end here.
        way: how the engine trains the clients; empty where none is trained.
    """

    path: tuple[str, ...]
    seconds: float
    arms: tuple[str, ...]
    way: str = ""


def estimate(slate: Slate, settings: StudySettings, costs: Costs, out: Path) -> list[Branch]:
    """Return the branches of the prefix tree, parents before children; nothing is trained.

    Tuning trials are estimated as so many more seeds.

    Args:
        slate: the arms.
        settings: the study's tables.
        costs: what arms cost.
        out: run folder, of which finished work is known.
    """
    clock = _Clock(settings, costs, NodeStore(out))
    branches: dict[tuple[str, ...], Branch] = {}
    for arm in slate.arms:
        for branch in clock.arm(arm):
            last = branches.setdefault(branch.path, branch)
        branches[last.path] = replace(last, arms=(*last.arms, arm.name))
    return list(branches.values())


class _Clock:
    def __init__(self, settings: StudySettings, costs: Costs, store: NodeStore) -> None:
        self.settings, self.costs, self.lab, self.store = settings, costs, costs.lab, store
        self.pipelines = [pipeline_of(settings, self.lab, store, seed, Silent().tell) for seed in settings.seeds]
        self.clients = len(self.lab.federation.clients)
        self._built: dict[bool, tuple[Network, Params]] = {}

    def arm(self, arm: Arm) -> Iterator[Branch]:
        """Yield each stage's branch."""
        trials = len(trial_arms(arm, self.settings.tuning.trials, self.settings.tuning.seed)) - 1
        path: tuple[str, ...] = (f"start {self._said(arm.start)}",)
        yield Branch(path, self._left("start", arm, 0) * self._start_seconds(arm.start), ())
        done = self._flops(replace(arm, federate=(), adapt=_KEEP))
        for index, stage in enumerate(arm.federate):
            path = (*path, f"federate {self._said(stage)}")
            flops = self._flops(replace(arm, federate=arm.federate[: index + 1], adapt=_KEEP))
            seconds = (self._left("federate", arm, index + 1) + trials) * self._seconds(flops - done)
            yield Branch(path, seconds, (), self._way(arm, stage) if seconds else "")
            done = flops
        path = (*path, f"adapt {self._said(arm.adapt)}")
        seconds = (self._left("adapt", arm, 0) + trials) * self._seconds(self._flops(arm) - done)
        yield Branch(path, seconds, (), self._way(arm, arm.adapt) if seconds else "")

    def _way(self, arm: Arm, stage: Stage) -> str:
        method, start = stage.build(), arm.start.build()
        return way_of(self.lab, self._cut(method.trainable, from_scratch=start.from_scratch)[0], method)

    def _said(self, stage: Stage) -> str:
        return _words(stage, self.settings.training)

    def _left(self, kind: str, arm: Arm, stages: int) -> int:
        """Count the seeds for which a node is not finished."""
        return sum(not self.store.has(self._key(pipeline, kind, arm, stages)) for pipeline in self.pipelines)

    def _key(self, pipeline: Pipeline, kind: str, arm: Arm, stages: int) -> str:
        if kind == "adapt":
            return pipeline.leaf_key(pipeline.trunk_key(arm), arm.adapt, FINAL_VIEWS)
        return pipeline.trunk_key(replace(arm, federate=arm.federate[:stages]))

    def _flops(self, arm: Arm) -> float:
        return float(self.costs.of(arm).client_flops)

    def _seconds(self, flops: float) -> float:
        return max(flops, 0.0) * self.clients / self.rate

    def _start_seconds(self, stage: Stage) -> float:
        """Return what pre-training takes if it never stops early."""
        method, central = stage.build(), self.lab.federation.central
        if central is None or not hasattr(method, "epochs"):
            return 0.1
        model, params = self._cut(getattr(method, "trainable", "head"), from_scratch=method.from_scratch)
        flops = flops_per_example(model, params, self.lab.activations.typical())
        return float(len(central) * method.epochs * flops.training / self.rate)

    def _cut(self, trainable: Trainable, *, from_scratch: bool) -> tuple[Model, Params]:
        """Return a model with first weights, built once of each kind."""
        if from_scratch not in self._built:
            classes = self.lab.federation.num_classes
            self._built[from_scratch] = self.lab.build(0, from_scratch=from_scratch, num_classes=classes)
        return cut_at(*self._built[from_scratch], trainable)

    @cached_property
    def rate(self) -> float:
        """Floating-point operations per second of a training step of the whole network."""
        model, params = self._cut("all", from_scratch=True)
        inputs = model.activations(self.lab.activations.raw(slice(0, 32)))
        batch = Batch(inputs, torch.zeros(len(inputs), dtype=torch.int64), torch.ones(len(inputs)))
        flops = count_flops(lambda: model.gradient(params, batch))
        return max(flops, 1) / min(_seconds_of(lambda: model.gradient(params, batch)) for _ in range(3))


def _seconds_of(work: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _words(stage: Stage, common: Mapping[str, Any]) -> str:
    """Say a stage in a few words, without the settings that the whole study has in common."""
    own = {name: value for name, value in stage.settings.items() if common.get(name) != value}
    settings = ", ".join(f"{name} {value}" for name, value in own.items())
    return f"{stage.method} ({settings})" if settings else stage.method
