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
from headstart.study.plan import Plan
from headstart.study.run.nodes import NodeStore
from headstart.study.run.pipeline import Pipeline
from headstart.study.study import FINAL_VIEWS
from headstart.study.ways import way_of
from headstart.study.written.arms import ArmSpec, Kind, StageSpec, build_stage

KEEP = StageSpec("keep")


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


def estimate(plan: Plan, out: Path) -> list[Branch]:
    """Return the branches of the prefix tree, parents before children; nothing is trained.

    Tuning trials are estimated as so many more seeds.
    """
    clock = _Clock(plan, out)
    branches: dict[tuple[str, ...], Branch] = {}
    for arm in plan.arms:
        for branch in clock.arm(arm):
            last = branches.setdefault(branch.path, branch)
        branches[last.path] = replace(last, arms=(*last.arms, arm.name))
    return list(branches.values())


class _Clock:
    def __init__(self, plan: Plan, out: Path) -> None:
        self.plan, self.store = plan, NodeStore(out)
        self.pipelines = [plan.pipeline(self.store, seed, Silent()) for seed in plan.settings.seeds]
        self.clients = len(plan.lab.federation.clients)
        self._built: dict[bool, tuple[Network, Params]] = {}

    def arm(self, arm: ArmSpec) -> Iterator[Branch]:
        """Yield each stage's branch."""
        trials = len(self.plan.trials(arm)) - 1
        path: tuple[str, ...] = (f"start {self._words(arm.start)}",)
        yield Branch(path, self._left("start", arm, 0) * self._start_seconds(arm.start), ())
        done = self._flops(replace(arm, federate=(), adapt=KEEP))
        for index, stage in enumerate(arm.federate):
            path = (*path, f"federate {self._words(stage)}")
            flops = self._flops(replace(arm, federate=arm.federate[: index + 1], adapt=KEEP))
            seconds = (self._left("federate", arm, index + 1) + trials) * self._seconds(flops - done)
            yield Branch(path, seconds, (), self._way("federate", arm, stage) if seconds else "")
            done = flops
        path = (*path, f"adapt {self._words(arm.adapt)}")
        seconds = (self._left("adapt", arm, 0) + trials) * self._seconds(self._flops(arm) - done)
        yield Branch(path, seconds, (), self._way("adapt", arm, arm.adapt) if seconds else "")

    def _way(self, kind: Kind, arm: ArmSpec, stage: StageSpec) -> str:
        method, start = build_stage(kind, stage), build_stage("start", arm.start)
        return way_of(self.plan.lab, self._cut(method.trainable, from_scratch=start.from_scratch)[0], method)

    def _words(self, stage: StageSpec) -> str:
        return words(stage, self.plan.settings.training)

    def _left(self, kind: str, arm: ArmSpec, stages: int) -> int:
        """Count the seeds for which a node is not finished."""
        return sum(not self.store.has(self._key(pipeline, kind, arm, stages)) for pipeline in self.pipelines)

    def _key(self, pipeline: Pipeline, kind: str, arm: ArmSpec, stages: int) -> str:
        if kind == "adapt":
            return pipeline.leaf_key(pipeline.trunk_key(arm), arm.adapt, FINAL_VIEWS)
        return pipeline.trunk_key(replace(arm, federate=arm.federate[:stages]))

    def _flops(self, arm: ArmSpec) -> float:
        return float(self.plan.cost_of(arm).client_flops)

    def _seconds(self, flops: float) -> float:
        return max(flops, 0.0) * self.clients / self.rate

    def _start_seconds(self, stage: StageSpec) -> float:
        """Return what pre-training takes if it never stops early."""
        method, central = build_stage("start", stage), self.plan.lab.federation.central
        if central is None or not hasattr(method, "epochs"):
            return 0.1
        model, params = self._cut(getattr(method, "trainable", "head"), from_scratch=method.from_scratch)
        flops = flops_per_example(model, params, self.plan.lab.activations.typical())
        return float(len(central) * method.epochs * flops.training / self.rate)

    def _cut(self, trainable: Trainable, *, from_scratch: bool) -> tuple[Model, Params]:
        """Return a model with first weights, built once of each kind."""
        if from_scratch not in self._built:
            lab = self.plan.lab
            self._built[from_scratch] = lab.build(0, from_scratch=from_scratch, num_classes=lab.federation.num_classes)
        return cut_at(*self._built[from_scratch], trainable)

    @cached_property
    def rate(self) -> float:
        """Floating-point operations per second of a training step of the whole network."""
        model, params = self._cut("all", from_scratch=True)
        inputs = model.activations(self.plan.lab.activations.raw(slice(0, 32)))
        batch = Batch(inputs, torch.zeros(len(inputs), dtype=torch.int64), torch.ones(len(inputs)))
        flops = count_flops(lambda: model.gradient(params, batch))
        return max(flops, 1) / min(_seconds_of(lambda: model.gradient(params, batch)) for _ in range(3))


def _seconds_of(work: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def words(stage: StageSpec, common: Mapping[str, Any]) -> str:
    """Say a stage in a few words, without the settings that the whole study has in common."""
    own = {name: value for name, value in stage.settings.items() if common.get(name) != value}
    settings = ", ".join(f"{name} {value}" for name, value in own.items())
    return f"{stage.method} ({settings})" if settings else stage.method
