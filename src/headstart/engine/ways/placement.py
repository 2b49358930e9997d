"""How a fleet does a job: the ways there are, what each costs here, and the cheapest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Way = Literal["stack", "loop", "workers"]
"""All clients as one stack; one client after another; clients spread over processes."""

WORTH_FORKING = 0.05
"""Seconds of work per round below which processes are not worth their start."""

PER_CLIENT = 0.001
"""Seconds that a client takes beside its steps where it is served alone: its batches drawn, its result stored."""


@dataclass(frozen=True)
class Placement:
    """How client work is done.

    Attributes:
        way: stack, loop or workers.
        workers: number of processes.
        threads: PyTorch's threads in each.
        channels_last: whether pictures are laid out channel by channel within a pixel.
    """

    way: Way
    workers: int = 1
    threads: int = 1
    channels_last: bool = False

    def __str__(self) -> str:
        """Say it in words."""
        if self.way == "stack":
            return "all clients at once"
        if self.way == "workers":
            return f"clients in {self.workers} processes"
        return f"one client after another, {self.threads} thread{'s' * (self.threads > 1)}"


HEADS = Placement("stack")
"""Heads are always trained as stacks: a few products for all clients."""


@dataclass(frozen=True)
class Timings:
    """Seconds of one client's step, measured on this machine.

    Attributes:
        loop: by threads and layout, such as ``1`` and ``2, channels last``; without a layout that the network's modules
            do not know.
        stack: of a stack of clients, divided by their number; None where that was not tried, or fails.
        slowdown: of a single-threaded step when every core does one.
    """

    loop: Mapping[str, float]
    stack: float | None
    slowdown: float


def name_of(threads: int, *, channels_last: bool) -> str:
    """Name a setting of :class:`Timings`."""
    return f"{threads}{', channels last' if channels_last else ''}"


def cheapest(timings: Timings, *, clients: int, steps: float, cores: int, workers: int) -> Placement:
    """Return the cheapest way to do a round of so many clients.

    Args:
        timings: measured.
        clients: per round.
        steps: of one client in one epoch.
        cores: of this machine.
        workers: processes that can be had; 1 means none but this one.
    """
    singles = {last: name_of(1, channels_last=last) for last in (False, True)}
    alone = {last: timings.loop[name] for last, name in singles.items() if name in timings.loop}
    ways = {
        Placement("loop", 1, threads, last): steps * timings.loop[name_of(threads, channels_last=last)] + PER_CLIENT
        for threads in sorted({1, cores})
        for last in alone
    }
    last = min(alone, key=alone.__getitem__)
    if workers > 1 and alone[last] * steps * clients > WORTH_FORKING:
        ways[Placement("workers", workers, 1, last)] = (steps * alone[last] * timings.slowdown + PER_CLIENT) / workers
    if timings.stack is not None:
        ways[Placement("stack")] = steps * timings.stack
    return min(ways, key=ways.__getitem__)
