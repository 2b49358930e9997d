"""Work of several seeds in processes beside each other, where one thread each is what suits the network.

A process leaves nodes in the store, where whoever does the work one by one then finds them; what it cannot compute
raises its error there, in its turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess

import torch

from headstart.core.device import CPU
from headstart.core.errors import EngineError, HeadstartError
from headstart.core.forks import end_with_parent, fork
from headstart.core.machine import can_fork, num_cores
from headstart.core.progress import Silent
from headstart.core.quiet import be_silent
from headstart.engine.ways.fleet import Fleet
from headstart.study.run.pipeline import Pipeline
from headstart.study.written.arms import Stage

_Work = tuple[Pipeline, Callable[[Pipeline], object]]
"""What runs stages for one seed, and what is to be done with it."""


def compute_beside(works: Sequence[_Work], patience: float = 10.0) -> None:
    """Do pieces of work in processes, as many at once as there are cores; nothing where that does not pay.

    It pays for two pieces or more where PyTorch has one thread. The clients of a process are trained one after another
    where the engine would choose a way by a clock.

    Args:
        works: none of which needs what another leaves in the store.
        patience: seconds of waiting after which it is told again what is waited for.
    """
    cores = num_cores()
    if min(cores, len(works)) < 2 or torch.get_num_threads() > 1 or not can_fork():
        return
    if any(pipeline.lab.device != CPU for pipeline, _ in works):  # processes cannot share a card
        return
    # Where the system gives no process, the work is done in its turn.
    with suppress(EngineError):
        _run(works, cores, patience)


def make_starts(starts: Iterable[tuple[Stage, Pipeline]]) -> None:
    """Train starts on the central pool that no store has yet, beside each other.

    Args:
        starts: as written, each with what runs it for one seed.
    """
    found = {pipeline.start_key(stage): (stage, pipeline) for stage, pipeline in starts if is_pretrained(stage)}
    missing = [(stage, pipeline) for key, (stage, pipeline) in found.items() if not pipeline.has_start(key)]
    if missing:
        missing[0][1].tell(f"start {missing[0][0].method}")
    compute_beside([(pipeline, _starts(stage)) for stage, pipeline in missing])


def _starts(stage: Stage) -> Callable[[Pipeline], object]:
    return lambda pipeline: pipeline.start(stage)


def is_pretrained(stage: Stage) -> bool:
    """Say whether a start trains more than a head: what needs a pool's labels or texts does."""
    return bool({"labels", "texts"} & set(stage.build().needs))


def _do(pipeline: Pipeline, work: Callable[[Pipeline], object]) -> None:
    """Do a piece of work in a process of its own."""
    end_with_parent()
    torch.set_num_threads(1)
    be_silent()
    engine = pipeline.engine or pipeline.lab.engine
    if isinstance(engine, Fleet) and engine.way in (None, "workers"):
        engine = replace(engine, way="loop")
    with suppress(HeadstartError):
        work(replace(pipeline, engine=engine, tell=Silent().tell))


def _run(works: Sequence[_Work], most: int, patience: float) -> None:
    """Do pieces of work to their end, so many at once."""
    waiting, running = list(works), list[BaseProcess]()
    try:
        while waiting or running:
            while waiting and len(running) < most:
                running.append(fork(_do, *waiting.pop(0)))
            if not wait([process.sentinel for process in running], timeout=patience):
                works[0][0].tell(f"{len(running)} of {len(works)} runs at once, {len(waiting)} to follow")
            running = [process for process in running if process.is_alive()]
    finally:
        for process in running:
            process.kill()
