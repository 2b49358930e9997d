"""Starts beside each other: the server's pre-training of several seeds, one process each."""

from __future__ import annotations

import multiprocessing
import signal
import warnings
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess

import torch

from headstart.core.errors import HeadstartError
from headstart.core.machine import can_fork, num_cores
from headstart.core.progress import Silent
from headstart.study.run.pipeline import Pipeline
from headstart.study.written.arms import Stage


def make_starts(starts: Iterable[tuple[Stage, Pipeline]]) -> None:
    """Train starts on the central pool that no store has yet, as many at once as there are cores.

    What is to be trained with several threads is left alone, and so is a single start: whoever asks for it trains it.

    Args:
        starts: as written, each with what runs it for one seed.
    """
    found = {pipeline.start_key(stage): (stage, pipeline) for stage, pipeline in starts if _is_trained(stage)}
    missing = [one for key, one in found.items() if not one[1].has_start(key)]
    if len(missing) < 2 or min(num_cores(), len(missing)) < 2 or torch.get_num_threads() > 1 or not can_fork():
        return
    missing[0][1].tell(f"start {missing[0][0].method}, {len(missing)} seeds at once")
    _run([_process(stage, pipeline) for stage, pipeline in missing], num_cores())


def _is_trained(stage: Stage) -> bool:
    """Say whether a start trains more than a head: what needs a pool's labels or texts does."""
    return bool({"labels", "texts"} & set(stage.build().needs))


def _process(stage: Stage, pipeline: Pipeline) -> BaseProcess:
    context = multiprocessing.get_context("fork")
    return context.Process(target=_make, args=(stage, replace(pipeline, tell=Silent().tell)), daemon=True)


def _make(stage: Stage, pipeline: Pipeline) -> None:
    """Make a start in a process of its own, which leaves it in the store."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    # The store knows of a start that cannot be trained, too.
    with suppress(HeadstartError):
        pipeline.start(stage)


def _run(processes: Sequence[BaseProcess], most: int) -> None:
    """Run processes to their end, so many at once."""
    waiting, running = list(processes), list[BaseProcess]()
    try:
        while waiting or running:
            while waiting and len(running) < most:
                running.append(_begun(waiting.pop(0)))
            wait([process.sentinel for process in running])
            running = [process for process in running if process.is_alive()]
    finally:
        for process in running:
            process.kill()


def _begun(process: BaseProcess) -> BaseProcess:
    with warnings.catch_warnings():
        # Newer Pythons warn of any fork beside threads; PyTorch's idle ones hold no lock.
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    return process
