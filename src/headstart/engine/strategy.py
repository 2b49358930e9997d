"""How a fleet does a job: the ways there are, what each costs here, and the cheapest."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Way = Literal["stack", "loop", "workers"]
"""All clients as one stack; one client after another; clients spread over processes."""

WORTH_FORKING = 0.05
"""Seconds of work per round below which processes are not worth their start."""


@dataclass(frozen=True)
class Strategy:
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

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    def __str__(self) -> str:
        layout = ", channels last" if self.channels_last else ""
        match self.way:
            case "stack":
                return "all clients as one stack"
            case "loop":
                return f"one client after another, {_count(self.threads, 'thread')}{layout}"
            case _:
                return f"{_count(self.workers, 'process')} of one thread{layout}"


HEADS = Strategy("stack")
"""Heads are always trained as stacks: a few products for all clients."""


def _count(number: int, noun: str) -> str:
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{number} {noun if number == 1 else plural}"


def num_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Timings:
    """Seconds of one client's step, measured on this machine.

    Attributes:
        loop: by threads and layout, such as ``1`` and ``2, channels last``.
        stack: of a stack of clients, divided by their number; None where that was not tried.
        slowdown: of a single-threaded step when every core does one.
    """

    loop: Mapping[str, float]
    stack: float | None
    slowdown: float


def name_of(threads: int, *, channels_last: bool) -> str:
    """Name a setting of :class:`Timings`."""
    return f"{threads}{', channels last' if channels_last else ''}"


def cheapest(timings: Timings, *, clients: int, steps: float, cores: int, workers: int) -> Strategy:
    """Return the cheapest way to do one step of each of so many clients.

    Args:
        timings: measured.
        clients: per round.
        steps: of one client in one epoch.
        cores: of this machine.
        workers: processes that can be had; 1 means none but this one.
    """
    ways = {
        Strategy("loop", 1, threads, last): timings.loop[name_of(threads, channels_last=last)]
        for threads in sorted({1, cores})
        for last in (False, True)
    }
    alone = min(ways[Strategy("loop", 1, 1, last)] for last in (False, True))
    if workers > 1 and alone * steps * clients > WORTH_FORKING:
        last = ways[Strategy("loop", 1, 1, True)] <= ways[Strategy("loop", 1, 1, False)]
        ways[Strategy("workers", workers, 1, last)] = alone * timings.slowdown / workers
    if timings.stack is not None:
        ways[Strategy("stack")] = timings.stack
    return min(ways, key=ways.__getitem__)
