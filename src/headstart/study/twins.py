"""Whether arms are compared with arms that stay alone and practise as much: a gain must not be a gain of effort."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Literal

from headstart.core.content import hash_json
from headstart.federate.protocol import Schedule
from headstart.models.lora import Lora
from headstart.study.written.arms import Arm, Stage
from headstart.training.local import LocalTraining

_ENOUGH = 0.9
"""Share of an arm's examples that its twin sees at least: passes and steps need not come to the same number."""

Depth = Literal["solved", "head", "adapters", "body"]
"""How a client comes to its weights: a head in closed form, or steps on the head, on adapters, on blocks below."""

_ALONE: dict[Depth, str] = {
    "solved": '"local_ridge"',
    "head": '{{ method = "linear_probe", epochs = {epochs} }}',
    "adapters": '{{ method = "lora", epochs = {epochs} }}',
    "body": '{{ method = "full_finetune", epochs = {epochs} }}',
}


@dataclass(frozen=True)
class Effort:
    """What a client puts into an arm.

    Attributes:
        start: by content.
        depth: how it comes to its weights.
        passes: over its training data, in all its steps.
    """

    start: str
    depth: Depth
    passes: float

    def is_matched_by(self, other: Effort) -> bool:
        """Say whether another arm, from the same start and as deep, practises as much."""
        return (self.start, self.depth) == (other.start, other.depth) and other.passes >= _ENOUGH * self.passes


@dataclass(frozen=True)
class Practice:
    """How much practice settings mean.

    Attributes:
        clients: how many may take part in a round.
        examples: training examples of a typical client.
    """

    clients: int
    examples: int

    def effort(self, arm: Arm) -> Effort:
        """Return what a client puts into an arm, on average."""
        passes = [(stage, self._passes(stage)) for stage in (*arm.federate, arm.adapt)]
        depths = {_depth(stage) for stage, some in passes if some}
        depth: Depth = next((depth for depth in _DEEPEST if depth in depths), "solved")
        return Effort(hash_json(arm.start.as_json()), depth, sum(some for _, some in passes))

    def _passes(self, stage: Stage) -> float:
        method = stage.build()
        local = getattr(method, "local", None)
        if not isinstance(local, LocalTraining):
            return 0.0
        counts = [getattr(method, one.name) for one in fields(method) if one.name.endswith("epochs")]
        per_step = local.batch_size / max(1, self.examples)
        each = sum(epochs if local.local_steps is None else local.local_steps * per_step for epochs in counts)
        return each * (self._rounds(method.schedule) if stage.kind == "federate" else 1)

    def _rounds(self, schedule: Schedule) -> float:
        return schedule.rounds * schedule.cohort_of(self.clients) / max(1, self.clients)


_DEEPEST: Sequence[Depth] = ("body", "adapters", "head")


def _depth(stage: Stage) -> Depth:
    trainable = stage.build().trainable
    return "adapters" if isinstance(trainable, Lora) else "head" if trainable == "head" else "body"


def without_twin(arms: Iterable[Arm], practice: Practice) -> dict[str, Effort]:
    """Return the federated arms beside which no arm that stays alone starts alike, is as deep and practises as much.

    Args:
        arms: of a study.
        practice: how much their settings mean.
    """
    arms = tuple(arms)
    alone = [practice.effort(arm) for arm in arms if not arm.federate and not arm.adapt.build().changes_nothing]
    federated = [arm for arm in arms if arm.federate and not any(stage.build().pooled for stage in arm.federate)]
    efforts = {arm.name: practice.effort(arm) for arm in federated}
    return {name: effort for name, effort in efforts.items() if not any(map(effort.is_matched_by, alone))}


def twin_lines(arms: Iterable[Arm], practice: Practice) -> Iterator[str]:
    """Yield a line for each kind of twin that a study lacks, with the arms that miss it and the way out."""
    missing: dict[tuple[str, Depth], dict[str, Effort]] = {}
    for name, effort in without_twin(arms, practice).items():
        missing.setdefault((effort.start, effort.depth), {})[name] = effort
    for (_, depth), found in missing.items():
        adapt = _ALONE[depth].format(epochs=math.ceil(max(effort.passes for effort in found.values())))
        yield (
            f"{', '.join(found)}: no arm that stays alone starts alike and practises as much, so a gain may be one of "
            f"effort; add one with the same start and adapt = {adapt}"
        )
