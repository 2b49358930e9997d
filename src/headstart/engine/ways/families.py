"""Which ways are worth a look for a job, the likeliest first: by what trains, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from torch.nn import Conv1d, Conv2d, Conv3d, Module

from headstart.core.machine import num_cores
from headstart.engine.protocol import Job
from headstart.engine.ways.placement import HEADS, Placement, Way
from headstart.models.model import Model

Family = Literal["heads", "adapters", "convolutional", "large convolutional", "small", "large"]
"""What trains: heads; adapters; a network with convolutions, small or large; one without, small or large."""

MOST_STACKED_WEIGHTS = 500_000
"""Weights of a network without convolutions above which stacking has nothing to gain: its products are large enough."""

_MOST_GROUPED_WEIGHTS = 5_000_000
"""Weights of a network with convolutions above which groups have nothing to gain."""

_CONVOLUTIONS = (Conv1d, Conv2d, Conv3d)
_GROUP = 5
"""Clients of a group on a processor: fewer leave operations small, more leave the cache (measured: 2 to 10)."""

_LAST = Placement("workers", channels_last=True)


@dataclass(frozen=True)
class _Rule:
    """What is tried for a family.

    Attributes:
        placements: the likeliest first.
        is_timed: whether a clock chooses among those that are possible; else the first is taken.
    """

    placements: tuple[Placement, ...]
    is_timed: bool = False


_PROCESSOR: Mapping[Family, _Rule] = {
    "heads": _Rule((HEADS,)),
    "adapters": _Rule((Placement("stack"), Placement("workers")), is_timed=True),
    "convolutional": _Rule((Placement("grouped", group=_GROUP), _LAST, Placement("workers"))),
    "large convolutional": _Rule((_LAST, Placement("workers")), is_timed=True),
    "small": _Rule((Placement("stack"), Placement("workers")), is_timed=True),
    "large": _Rule((Placement("workers"),)),
}
"""On a processor. Stacks of convolutions by ``vmap`` are not there: they lost in every measurement."""

_CARD: Mapping[Family, _Rule] = {
    "heads": _Rule((HEADS,)),
    "adapters": _Rule((Placement("stack"), Placement("loop"))),
    "convolutional": _Rule((Placement("grouped", group=0), Placement("stack"), Placement("loop"))),
    # Single networks: their steps may be captured as graphs, which is the loop's own matter.
    "large convolutional": _Rule((Placement("loop"),)),
    "small": _Rule((Placement("stack"), Placement("loop"))),
    "large": _Rule((Placement("loop"),)),
}
"""On a card, which processes cannot share: what fills it comes first."""


def family_of(model: Model) -> Family:
    """Return a model's family."""
    if model.is_head_only:
        return "heads"
    if model.adapters:
        return "adapters"
    if any(isinstance(module, _CONVOLUTIONS) for block in _above(model) for module in block.modules()):
        return "convolutional" if model.num_trainable <= _MOST_GROUPED_WEIGHTS else "large convolutional"
    return "small" if model.num_trainable <= MOST_STACKED_WEIGHTS else "large"


def _above(model: Model) -> list[Module]:
    return list(model.network.blocks)[model.cut :]


def rule_for(job: Job, way: Way | None) -> _Rule:
    """Return what is to be tried for a job, without what is the machine's.

    Args:
        job: what is to be done.
        way: the only one that is wanted; None takes what suits the family.
    """
    family = family_of(job.model)
    rule = (_PROCESSOR if job.clients.rows.device.type == "cpu" else _CARD)[family]
    if family == "heads" and way == "workers":
        return _Rule((Placement("workers"),))
    if way is None or family == "heads":
        return _with_loops(rule, job, family)
    # One client is no group: it is done as one of a group would be, alone.
    alone = way == "grouped" and job.cohort_size < 2
    return replace(rule, placements=_by("workers" if alone else way, rule.placements))


def _with_loops(rule: _Rule, job: Job, family: Family) -> _Rule:
    """Let large networks of few clients be tried with all threads: processes would leave cores idle."""
    if "large" not in family or job.cohort_size >= num_cores():
        return rule
    loops = tuple(replace(one, way="loop") for one in rule.placements if one.way == "workers")
    return _Rule((*rule.placements, *loops), is_timed=True)


def _by(way: Way, placements: tuple[Placement, ...]) -> tuple[Placement, ...]:
    """Return the placements of one way, in the layouts that suit."""
    own = tuple(one for one in placements if one.way == way)
    if own or way in ("stack", "grouped"):
        return own or (Placement(way, group=_GROUP if way == "grouped" else 1),)
    alone = [one for one in placements if one.way in ("workers", "loop")]
    return tuple(replace(one, way=way) for one in alone) or (Placement(way),)
