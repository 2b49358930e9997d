"""How long one run of a stage takes on this machine: a few steps of each kind are timed, the others counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch

from headstart.core.content import hash_json
from headstart.core.machine import num_cores
from headstart.core.trees import Params
from headstart.costs.arm import Population
from headstart.costs.compute import count_flops, flops_per_example
from headstart.engine.protocol import Engine
from headstart.engine.rounds import members
from headstart.engine.ways.placement import PER_CLIENT, Placement
from headstart.models.batch import Batch
from headstart.models.cut import Trainable
from headstart.models.model import Model, cut_at
from headstart.models.network import Network
from headstart.study.clock import Clock, Work
from headstart.study.lab import Lab
from headstart.study.run.tuning import ranges
from headstart.study.ways import placement_of
from headstart.study.written.arms import Arm, Stage

STACKED = 8
"""Clients of a stack whose step takes about the time of one client's."""

PER_STEP = 0.00015
"""Seconds that a step takes beside its arithmetic: its batch is drawn and gathered."""

_FEW = 16
"""Examples of a prediction that is timed."""


@dataclass(frozen=True)
class Took:
    """What work takes.

    Attributes:
        here: seconds as this machine does it.
        alone: seconds of one process of one thread.
    """

    here: float = 0.0
    alone: float = 0.0

    def __add__(self, other: Took) -> Took:
        return Took(self.here + other.here, self.alone + other.alone)


@dataclass(frozen=True, eq=False)
class Durations:
    """Foretells how long stages take; what was timed once is not timed again.

    Attributes:
        lab: data and network.
        engine: that would do them, with the run's ways.
        population: the clients, as far as costs depend on them.
    """

    lab: Lab
    engine: Engine
    population: Population
    _built: dict[bool, tuple[Network, Params]] = field(default_factory=dict)
    _ways: dict[str, Placement | None] = field(default_factory=dict)
    _passed: set[bool] = field(default_factory=set)

    @cached_property
    def _clock(self) -> Clock:
        return Clock(self.population.raw.to(self.lab.device), self.population.num_examples)

    def start(self, arm: Arm) -> Took:
        """Return what pre-training takes if it never stops early."""
        method, central = arm.start.build(), self.lab.federation.central
        examples = getattr(method, "num_examples", len(central) if central else 0)
        if not examples or not hasattr(method, "epochs"):
            return Took(0.1, 0.1)
        model, params = self._cut(getattr(method, "trainable", "head"), from_scratch=method.from_scratch)
        flops = flops_per_example(model, params, self._clock.raw)
        seconds = float(examples * method.epochs * flops.training / self._rate)
        return Took(seconds, seconds)

    def federate(self, arm: Arm, position: int) -> Took:
        """Return what all rounds of an arm's federated stage take, and its learning curve."""
        stage = arm.federate[position]
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
        return trained + self._asked(arm, arm.federate[: position + 1], points * validated)

    def adapt(self, arm: Arm, views: Sequence[str]) -> Took:
        """Return what all clients' adaptation takes, and their evaluation.

        Args:
            arm: whose adaptation.
            views: of a client's data on which it is evaluated.
        """
        method, clients = arm.adapt.build(), self.lab.federation.clients
        if method.changes_nothing:
            own = sum(len(client.val) + len(client.test) for client in clients)
            return self._asked(arm, arm.federate, own)
        rows = [len(part) for view in views for part in self.lab.views(self.lab.federation)[view]]
        model, params = self._cut(method.trainable, from_scratch=arm.start.build().from_scratch)
        trained = self._trained(arm, arm.adapt, lambda data: method(model, params, data), 1, len(clients))
        return trained + self._asked(arm, (*arm.federate, arm.adapt), sum(rows))

    def way(self, arm: Arm, stage: Stage) -> str:
        """Say how the engine trains a stage's clients."""
        placement = self._placement(arm, stage)
        return str(placement) if placement else "one client after another"

    def _trained(self, arm: Arm, stage: Stage, work: Work, rounds: int, cohort: int) -> Took:
        """Return the seconds of client work; steps of a kind are timed once, whatever their number and size."""
        tuned, kind = ranges(stage), [stage.kind, stage.method, arm.start.build().from_scratch]
        known = {name: value for name, value in stage.settings.items() if name not in tuned}
        whole = {name: value for name, value in stage.settings.items() if isinstance(value, int)}
        timed = self._clock.time(hash_json([*kind, known]), work)
        # No fraction says how many steps there are; what took none never takes any.
        steps = self._clock.steps(hash_json([*kind, known, whole]), work) if timed.steps else 0
        return self._spread(self._placement(arm, stage), timed.of(steps), steps, rounds, cohort)

    def _spread(self, placement: Placement | None, one: float, steps: int, rounds: int, cohort: int) -> Took:
        """Return the seconds of all rounds from those of one client."""
        if placement and placement.way == "stack" and cohort > 1:
            stacked = rounds * (one * max(1.0, cohort / STACKED) + steps * PER_STEP)
            return Took(stacked, stacked)
        alone = rounds * cohort * (one + steps * PER_STEP + PER_CLIENT)
        return Took(alone / (min(placement.workers, max(1, cohort)) if placement else 1), alone)

    def _placement(self, arm: Arm, stage: Stage) -> Placement | None:
        start = arm.start.build()
        name = hash_json([stage.as_json(), stage.kind, start.from_scratch])
        if name not in self._ways:
            method = stage.build()
            model = self._cut(method.trainable, from_scratch=start.from_scratch)[0]
            self._ways[name] = placement_of(self.lab, self.engine, model, method)
        return self._ways[name]

    def _asked(self, arm: Arm, stages: Sequence[Stage], examples: int) -> Took:
        """Return the seconds of predictions after some stages; a head has its features from one pass for all."""
        if self._are_heads(arm, stages):
            return self._frozen_pass(arm)
        return Took(examples * self._forward, examples * self._forward)

    def _are_heads(self, arm: Arm, stages: Sequence[Stage]) -> bool:
        """Say whether stages after a start leave all but the head as it was."""
        start = arm.start.build()
        cuts = [stage.build().trainable for stage in stages if not getattr(stage.build(), "changes_nothing", False)]
        return all(self._cut(cut, from_scratch=start.from_scratch)[0].is_head_only for cut in cuts)

    def _frozen_pass(self, arm: Arm) -> Took:
        """Return the seconds of the pass that gives all heads their features; nothing the second time."""
        from_scratch = arm.start.build().from_scratch
        if from_scratch in self._passed or self.lab.activations.has(self._cut("head", from_scratch=from_scratch)[0]):
            return Took()
        self._passed.add(from_scratch)
        alone = len(self.lab.federation.examples) * self._forward
        return Took(alone / num_cores(), alone)

    def _cut(self, trainable: Trainable, *, from_scratch: bool) -> tuple[Model, Params]:
        """Return a model with first weights, built once of each kind."""
        if from_scratch not in self._built:
            self._built[from_scratch] = self.lab.begin(0, from_scratch=from_scratch)
        return cut_at(*self._built[from_scratch], trainable)

    @cached_property
    def _forward(self) -> float:
        """Seconds of a prediction of the whole network, per example."""
        model, params = self._cut("all", from_scratch=True)
        inputs = model.activations(self.lab.activations.raw(slice(0, _FEW)))
        with torch.no_grad():
            return _second_time(lambda: model.logits(params, inputs)) / max(1, len(inputs))

    @cached_property
    def _rate(self) -> float:
        """Floating-point operations per second of a training step of the whole network."""
        model, params = self._cut("all", from_scratch=True)
        inputs = model.activations(self.lab.activations.raw(slice(0, 32)))
        labels = torch.zeros(len(inputs), dtype=torch.int64, device=inputs.device)
        batch = Batch(inputs, labels, torch.ones(len(inputs), device=inputs.device))
        flops = count_flops(lambda: model.gradient(params, batch))
        return max(flops, 1) / _second_time(lambda: model.gradient(params, batch))


def _second_time(work: Callable[[], Any]) -> float:
    """Return the seconds of this thread that work takes once everything is warm."""
    work()
    begin = time.thread_time()
    work()
    return time.thread_time() - begin
