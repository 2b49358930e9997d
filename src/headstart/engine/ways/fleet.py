"""The fast engine: it does each job in the way that costs least on this machine."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from headstart.core.errors import SettingError
from headstart.core.machine import can_fork, num_cores, threads
from headstart.core.progress import Tell
from headstart.engine.protocol import Crew, Job
from headstart.engine.ways.calibration import step_seconds, tuned, why_not
from headstart.engine.ways.families import family_of, rule_for
from headstart.engine.ways.graphs import graphed
from headstart.engine.ways.grouped import Grouped
from headstart.engine.ways.kept import KeptWays, name_of_job
from headstart.engine.ways.placement import Placement, Way, cheapest
from headstart.engine.ways.serial import OneByOne
from headstart.engine.ways.sparing import Sparing
from headstart.engine.ways.stacks import Stacked
from headstart.engine.ways.workers import Workers


@dataclass(frozen=True)
class Fleet:
    """Stacks of heads and of small networks, groups of small convolutional ones, or each client alone.

    Attributes:
        way: always this one; None goes by what trains, and by a short calibration where that says nothing.
        workers: number of processes; None takes the number of cores. No number depends on it.
        chunk_bytes: memory that one stack may take; None takes what suits the device.
        folder: where calibrations are kept; None keeps them as long as the engine lives.
        kept: the ways of a run, each chosen once; None chooses for as long as the engine lives.
        graphs: whether a card's steps are recorded.
        tell: told what the user must know of a card's steps.
    """

    way: Way | None = None
    workers: int | None = None
    chunk_bytes: int | None = None
    folder: Path | None = None
    kept: KeptWays | None = None
    graphs: bool = True
    tell: Tell = warnings.warn
    _said: set[str] = field(default_factory=set)
    _known: dict[str, Placement] = field(default_factory=dict)

    @contextmanager
    def crew(self, job: Job) -> Iterator[Crew]:
        """Choose a way and yield who goes it; a card takes its steps as recorded graphs.

        Raises:
            SettingError: the way that was asked for is none for this network.
        """
        # The frozen part is computed before anything is timed or forked.
        job.clients.activations.at(job.model)
        placement = self._settled(job)
        steps = graphed(job, self._say) if self.graphs else nullcontext(job)
        with steps as recorded, _CREWS[placement.way](self, recorded, placement) as crew:
            yield crew

    def _say(self, line: str) -> None:
        """Say a line once."""
        if line not in self._said:
            self._said.add(line)
            self.tell(line)

    def placement(self, job: Job) -> Placement:
        """Choose how to do a job; what a run has chosen before stays.

        Raises:
            SettingError: the way that was asked for is none for this network.
        """
        if self.way is not None or job.model.is_head_only:
            return self._here(job, self._chosen(job))
        name = name_of_job(job)
        return self._here(job, (self.kept and self.kept.get(name)) or self._remembered(job, name))

    def _settled(self, job: Job) -> Placement:
        """Return the placement of a job, kept for as long as the run lasts."""
        placement = self.placement(job)
        if self.kept is None or self.way is not None or job.model.is_head_only:
            return placement
        return self._here(job, self.kept.settle(name_of_job(job), placement, job.model.network.name))

    def _remembered(self, job: Job, name: str) -> Placement:
        if name not in self._known:
            self._known[name] = self._chosen(job)
        return self._known[name]

    def _chosen(self, job: Job) -> Placement:
        """Return what the rule for a job's family says, of its placements that are possible."""
        rule = rule_for(job, self.way)
        asked = [self._here(job, placement) for placement in rule.placements]
        # A stack that was asked for does what it cannot client by client.
        possible = asked if self.way == "stack" else [*self._possible(job, asked, first=not rule.is_timed)]
        if len(possible) == 1:
            return possible[0]
        return cheapest(step_seconds(job, possible, self.folder), clients=job.cohort_size, steps=_steps(job))

    def _possible(self, job: Job, asked: Sequence[Placement], *, first: bool) -> list[Placement]:
        """Return the placements that the network knows, or the first of them alone."""
        possible = (placement for placement in asked if not why_not(job, placement))
        found = list(islice(possible, 1 if first else None))
        if not found:
            self._refuse(why_not(job, asked[0]))
        return found

    def _refuse(self, why: str) -> None:
        raise SettingError(
            f"engine.way: must be one that this network knows, received '{self.way}', which it does not: {why}; "
            'set "auto"'
        )

    def _here(self, job: Job, placement: Placement) -> Placement:
        """Return a placement with the processes and threads that this machine has for it."""
        if placement.way == "loop":
            return replace(placement, threads=torch.get_num_threads())
        groups = -(-job.cohort_size // placement.group) if placement.group else 1
        return replace(placement, workers=self._processes(groups) if placement.way in ("grouped", "workers") else 1)

    def _processes(self, most: int) -> int:
        return min(self.workers or num_cores(), max(1, most)) if can_fork() else 1


def _steps(job: Job) -> float:
    """Return the mean number of steps of a client's epoch, of the first hundred clients."""
    sample = np.arange(min(len(job.clients.members), 100))
    return float(np.ceil(job.clients.rows.sizes(sample) / job.batch_size).mean()) if len(sample) else 0.0


def _fast(job: Job, placement: Placement) -> Job:
    """Return the job with faster layers where more than a head trains; a card's own are."""
    if job.model.is_head_only:
        return job
    if job.clients.rows.device.type != "cpu":
        return replace(job, model=replace(job.model, channels_last=placement.channels_last))
    return replace(job, model=tuned(job, channels_last=placement.channels_last))


def _stack(fleet: Fleet, job: Job, _: Placement) -> AbstractContextManager[Crew]:
    return nullcontext(Stacked(job, fleet.chunk_bytes))


def _grouped(_: Fleet, job: Job, placement: Placement) -> AbstractContextManager[Crew]:
    return Grouped(job, placement.group or job.cohort_size, placement.workers)


@contextmanager
def _workers(fleet: Fleet, job: Job, placement: Placement) -> Iterator[Crew]:
    """Yield who does clients each by one thread, in processes where that pays."""
    job, count = _fast(job, placement), placement.workers
    with ExitStack() as stack:
        workers = stack.enter_context(Workers(job, count, job.cohort_size)) if count > 1 else None
        yield Sparing(job, workers, pays=fleet.way is not None or "large" in family_of(job.model))


@contextmanager
def _loop(_: Fleet, job: Job, placement: Placement) -> Iterator[Crew]:
    with threads(placement.threads):
        yield OneByOne(_fast(job, placement))


_CREWS: Mapping[Way, Callable[[Fleet, Job, Placement], AbstractContextManager[Crew]]] = {
    "stack": _stack,
    "grouped": _grouped,
    "workers": _workers,
    "loop": _loop,
}
"""Who goes each way."""
