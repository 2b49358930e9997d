"""How a fleet does a job: the ways there are, and the cheapest of those whose steps were timed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

Way = Literal["stack", "grouped", "workers", "loop"]
"""All clients as one stack; a few as groups of one network; each alone by one thread, in as many processes as there
are; one after another by all threads."""

PER_CLIENT = 0.001
"""Seconds that a client takes beside its steps where it is served alone: its batches drawn, its result stored."""


@dataclass(frozen=True)
class Placement:
    """How client work is done.

    Numbers depend in their last bits on the way, the layout and the size of groups, which are a run's for good; those
    of ``loop`` on the threads too, by 1e-5 at most. How many processes there are is the machine's matter alone.

    Attributes:
        way: stack, grouped, workers or loop.
        workers: number of processes; 1 forks none.
        threads: PyTorch's threads in each.
        channels_last: whether pictures are laid out channel by channel within a pixel.
        group: clients of a group, of the way ``grouped``; 0 takes the whole cohort.
    """

    way: Way
    workers: int = 1
    threads: int = 1
    channels_last: bool = False
    group: int = 1

    def __str__(self) -> str:
        """Say it in words."""
        if self.way == "stack":
            return "all clients at once"
        if self.way == "grouped":
            together = f"{self.group} clients at a time" if self.group else "all clients"
            return f"{together} as one network{f', in {self.workers} processes' if self.workers > 1 else ''}"
        if self.workers > 1:
            return f"clients in {self.workers} processes"
        return f"one client after another, {self.threads} thread{'s' * (self.threads > 1)}"

    @property
    def lasting(self) -> Placement:
        """What numbers depend on, without what is this machine's."""
        return replace(self, workers=1, threads=1)

    @property
    def name(self) -> str:
        """Name what one process does of it, such as ``workers, channels last``."""
        number = {"grouped": f" {self.group}", "loop": f" {self.threads}"}.get(self.way, "")
        return f"{self.way}{number}{', channels last' if self.channels_last else ''}"

    def as_json(self) -> dict[str, Any]:
        """Return what lasts as plain values."""
        return {"way": self.way, "channels_last": self.channels_last, "group": self.group}


def read_placement(table: Any) -> Placement | None:
    """Return what :meth:`Placement.as_json` made; None of anything else.

    >>> read_placement(Placement("grouped", workers=2, group=5).as_json())
    Placement(way='grouped', workers=1, threads=1, channels_last=False, group=5)
    >>> read_placement({"way": "sideways"})
    """
    if not isinstance(table, dict) or table.get("way") not in get_args(Way):
        return None
    last, group = table.get("channels_last"), table.get("group")
    if not isinstance(last, bool) or type(group) is not int or group < 0:
        return None
    return Placement(table["way"], channels_last=last, group=group)


HEADS = Placement("stack")
"""Heads are always trained as stacks: a few products for all clients."""


def cheapest(seconds: Mapping[Placement, float], *, clients: int, steps: float) -> Placement:
    """Return the cheapest way to do a round; of equal ones the first.

    Args:
        seconds: of one client's step, in each way.
        clients: per round.
        steps: of one client in one epoch.
    """

    def cost(placement: Placement) -> float:
        if placement.way == "stack":
            return steps * seconds[placement]
        return (steps * seconds[placement] + PER_CLIENT) / max(1, min(placement.workers, clients))

    return min(seconds, key=cost)
