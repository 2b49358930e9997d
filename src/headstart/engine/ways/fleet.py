"""The fast engine: it does each job in the way that costs least on this machine."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from headstart.core.machine import can_fork, num_cores, threads
from headstart.core.progress import Tell
from headstart.engine.protocol import Crew, Job
from headstart.engine.ways.calibration import name_of_timings, timings_of, try_batch, tuned, why_no_stack
from headstart.engine.ways.graphs import graphed
from headstart.engine.ways.placement import HEADS, Placement, Timings, Way, cheapest
from headstart.engine.ways.serial import OneByOne
from headstart.engine.ways.stacks import Stacked
from headstart.engine.ways.workers import SLOT_BYTES, Workers


@dataclass(frozen=True)
class Fleet:
    """Stacks of heads and of small networks, or one client after another, in one process or in several.

    Attributes:
        way: always this one; None chooses by a short calibration.
        workers: number of processes; None takes the number of cores.
        chunk_bytes: memory that one stack may take; None takes what suits the device.
        folder: where calibrations are kept; None keeps them as long as the engine lives.
        graphs: whether a card's steps are recorded.
        tell: told why they cannot be.
    """

    way: Way | None = None
    workers: int | None = None
    chunk_bytes: int | None = None
    folder: Path | None = None
    graphs: bool = True
    tell: Tell = warnings.warn
    _said: set[str] = field(default_factory=set)
    _known: dict[str, Timings] = field(default_factory=dict)

    @contextmanager
    def crew(self, job: Job) -> Iterator[Crew]:
        """Choose a way and yield who goes it; a card takes its steps as recorded graphs."""
        steps = graphed(job, self._say) if self.graphs else nullcontext(job)
        with steps as recorded, self._crew(recorded) as crew:
            yield crew

    def _say(self, line: str) -> None:
        """Say a line once."""
        if line not in self._said:
            self._said.add(line)
            self.tell(line)

    @contextmanager
    def _crew(self, job: Job) -> Iterator[Crew]:
        # The frozen part is computed before anything is timed or forked.
        job.clients.activations.at(job.model)
        placement = self.placement(job)
        if placement.way != "stack" and not job.model.is_head_only and _is_on_cpu(job):
            job = replace(job, model=tuned(job, channels_last=placement.channels_last))
        match placement.way:
            case "stack":
                yield Stacked(job, self.chunk_bytes)
            case "loop":
                with threads(placement.threads):
                    yield OneByOne(job)
            case "workers":
                with Workers(job, placement.workers, self._slots(job, placement.workers)) as workers:
                    yield workers

    def placement(self, job: Job) -> Placement:
        """Choose how to do a job; where this process may not be cloned, workers are one after another."""
        forks = self.way == "workers" and can_fork()
        if job.model.is_head_only and not forks:
            return HEADS
        if not _is_on_cpu(job):
            return _on_card(job, self.way)
        if forks:
            return Placement("workers", self._processes(job))
        if self.way is not None:
            return Placement("loop" if self.way == "workers" else self.way, threads=torch.get_num_threads())
        return self._calibrated(job)

    def _calibrated(self, job: Job) -> Placement:
        sample = np.arange(min(len(job.clients.members), 100))
        steps = float(np.ceil(job.clients.rows.sizes(sample) / job.batch_size).mean()) if len(sample) else 0.0
        return cheapest(
            self._timings(job),
            clients=job.cohort_size,
            steps=steps,
            cores=num_cores(),
            workers=self._processes(job) if can_fork() else 1,
        )

    def _timings(self, job: Job) -> Timings:
        name = name_of_timings(job)
        if name not in self._known:
            self._known[name] = timings_of(job, name, self.folder)
        return self._known[name]

    def _processes(self, job: Job) -> int:
        return min(self.workers or num_cores(), max(1, job.cohort_size))

    def _slots(self, job: Job, workers: int) -> int:
        """Return how many results may wait: twice as many as there are processes, or more where they are small."""
        return max(2 * workers, min(job.cohort_size, SLOT_BYTES // max(1, job.num_bytes)))


def _is_on_cpu(job: Job) -> bool:
    return job.clients.rows.device.type == "cpu"


def _on_card(job: Job, way: Way | None) -> Placement:
    """Return how a card does a job: a stack, unless its modules cannot be stacked; processes cannot share it."""
    if way is None and job.cohort_size > 1 and not why_no_stack(job.model, *try_batch(job)):
        return Placement("stack")
    return Placement("stack" if way == "stack" else "loop")
