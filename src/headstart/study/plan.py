"""What a study is going to do: its arms, what each costs, and which of them no device can run."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from headstart.core.content import hash_json
from headstart.core.damage import Damaged
from headstart.core.errors import SettingError
from headstart.core.files import read_json, write_json
from headstart.core.task import Task
from headstart.core.version import __version__
from headstart.costs.arm import ArmCosts, Population, arm_costs
from headstart.costs.devices import DeviceProfile
from headstart.costs.gate import rule_out
from headstart.costs.on_device import on_device
from headstart.data.examples import InputKind
from headstart.data.federation import Federation
from headstart.evidence.sides import Family
from headstart.models.losses import loss_of
from headstart.models.model import cut_at
from headstart.study.lab import Lab
from headstart.study.twins import Practice
from headstart.study.written.arms import Arm, with_defaults
from headstart.study.written.load import StudyFile
from headstart.study.written.private import with_private
from headstart.study.written.slate import Slate, slate_for


@dataclass(frozen=True)
class Costs:
    """What arms cost, from a dry run of one client each.

    Attributes:
        lab: data, network, engine.
        known: costs by content, filled as they are measured.
    """

    lab: Lab
    known: dict[str, ArmCosts] = field(default_factory=dict)

    @cached_property
    def population(self) -> Population:
        """The clients, as far as costs depend on them."""
        sizes = [len(client.train) for client in self.lab.federation.seen_clients]
        return Population(self.lab.activations.typical(), len(sizes), max(1, round(float(np.mean(sizes)))))

    @property
    def practice(self) -> Practice:
        """The clients, as far as effort depends on them."""
        return Practice(self.population.num_clients, self.population.num_examples)

    def of(self, arm: Arm) -> ArmCosts:
        """Return the costs of one arm, measured once."""
        population = self.population
        sizes = [population.num_clients, population.num_examples, list(population.raw.shape)]
        key = hash_json([__version__, self.lab.spec.as_json(), str(self.lab.dtype), sizes, arm.as_json()])
        if key not in self.known:
            try:
                self.known[key] = self._measure(arm)
            except SettingError as error:
                raise SettingError(f"arms.{arm.name}: {error}") from None
        return self.known[key]

    def _measure(self, arm: Arm) -> ArmCosts:
        network, weights = self.lab.build(0, from_scratch=arm.start.build().from_scratch)
        federate = [stage.build() for stage in arm.federate]
        sends_weights = arm.start.build().is_trained
        return arm_costs(network, weights, federate, arm.adapt.build(), self.population, sends_weights=sends_weights)

    def family(self, arm: Arm) -> Family | None:
        """Return an arm's family before it runs: clients that keep parameters of their own do both."""
        family = family_of(arm)
        return "both" if family == "federate" and self._is_personal(arm) else family

    def _is_personal(self, arm: Arm) -> bool:
        method = arm.federate[-1].build()
        network, weights = self.lab.build(0, from_scratch=arm.start.build().from_scratch)
        _, private, _ = method.init(*cut_at(network, weights, method.trainable))
        return method.personal and bool(private)

    def read(self, path: Path) -> None:
        """Take over what an earlier run of the study measured; nothing where that is damaged."""
        # The run folder says so; costs are measured again in a moment.
        with suppress(Damaged, TypeError):
            self.known.update({key: ArmCosts(**values) for key, values in (read_json(path, {}) or {}).items()})

    def write(self, path: Path) -> None:
        """Keep what was measured for the next run of the study."""
        write_json(path, {key: cost.as_json() for key, cost in self.known.items()})


def first_slate(file: StudyFile, federation: Federation) -> Slate:
    """Return the study's own arms, or the standard slate with the study's defaults."""
    settings = file.settings
    if file.arms:
        _check_inputs(file.arms, federation.examples.kind)
        return _within_task(Slate(*with_private(file.arms, settings.privacy)), federation.task)
    slate = slate_for(file.model, federation)
    arms = (with_defaults(arm, settings.training, settings.model.trainable) for arm in slate.arms)
    every, left_out = with_private(arms, settings.privacy)
    return _within_task(replace(slate, arms=every, ruled_out={**slate.ruled_out, **left_out}), federation.task)


def _within_task(slate: Slate, task: Task) -> Slate:
    """Return the slate without the arms that make no sense for a task, each with its reason."""
    reasons = {arm.name: reason for arm in slate.arms if (reason := _why_not(arm, task))}
    arms = tuple(arm for arm in slate.arms if arm.name not in reasons)
    return replace(slate, arms=arms, ruled_out={**slate.ruled_out, **reasons})


def _check_inputs(arms: Iterable[Arm], kind: InputKind) -> None:
    """Check that every stage reads what the examples are.

    Raises:
        SettingError: one reads pictures alone, and they are none.
    """
    for arm in arms:
        for stage in (arm.start, *arm.federate):
            reads = getattr(stage.build(), "reads", None)
            if reads and reads != kind:
                raise SettingError(
                    f"arms.{arm.name}.{stage.kind}: '{stage.method}' needs {_INPUTS[reads]}, received {_INPUTS[kind]}; "
                    "leave the arm out, or take another method"
                )


_INPUTS: dict[InputKind, str] = {"image": "pictures", "table": "a table", "text": "texts"}


def _why_not(arm: Arm, task: Task) -> str | None:
    for stage in (*arm.federate, arm.adapt):
        if reason := stage.build().not_for.get(task.kind):
            return f"'{stage.method}' {reason}"
        if stage.settings.get("example_clip") and not loss_of(task).by_example:
            return f"'{stage.method}' cannot hide single examples, which have no loss of their own in this task"
    return None


def gated(slate: Slate, costs: Costs, devices: Iterable[DeviceProfile]) -> Slate:
    """Return the slate with every arm's costs, without the arms that a device cannot run."""
    found = {arm.name: costs.of(arm) for arm in slate.arms}
    reasons = rule_out(found, tuple(devices), references(slate.arms))
    arms = tuple(arm for arm in slate.arms if arm.name not in reasons)
    return Slate(arms, {**slate.ruled_out, **reasons}, found)


def family_of(arm: Arm) -> Family | None:
    """Return an arm's family, as far as its methods tell before it runs; None of a reference."""
    federate = [stage.build() for stage in arm.federate]
    if any(method.pooled for method in federate):
        return None
    if not federate:
        return "fine-tune"
    return "federate" if arm.adapt.build().changes_nothing else "both"


def references(arms: Iterable[Arm]) -> frozenset[str]:
    """Name the arms that pool the clients' data, which no real federation can."""
    return frozenset(arm.name for arm in arms if any(stage.build().pooled for stage in arm.federate))


def without_references(slate: Slate) -> Slate:
    """Return the slate of a federation whose examples are elsewhere: no arm pools them."""
    unreal = references(slate.arms)
    reasons = dict.fromkeys(sorted(unreal), "needs all examples in one place, which no real federation has")
    return replace(
        slate,
        arms=tuple(arm for arm in slate.arms if arm.name not in unreal),
        ruled_out={**slate.ruled_out, **reasons},
    )


def device_facts(slate: Slate, devices: Iterable[DeviceProfile]) -> dict[str, dict[str, object]]:
    """Model every arm on every device, arms that a device rules out too; references are for no device."""
    unreal = references(slate.arms)
    costs = {arm: cost for arm, cost in slate.costs.items() if arm not in unreal}
    return {device.name: {arm: on_device(cost, device).as_json() for arm, cost in costs.items()} for device in devices}
