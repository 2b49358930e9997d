"""Clients spread over processes, one thread each, which share parameters and results as memory.

Workers are forked, so they have the data, the model and the work from the start; a message to a worker is the positions
of one client or of a few and a slot, its answer a few bytes. What crosses in shared memory is copied once, never
serialised. Clients go to workers longest first; results come back in that order, whoever computed them and when, so
that sums are the same for any number of workers. A worker that dies is replaced, and what it worked on is done again.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

import numpy as np
import torch

from headstart.core import trees
from headstart.core.arrays import Array
from headstart.core.errors import EngineError
from headstart.core.faults import fault_of
from headstart.core.forks import end_with_parent, fork
from headstart.core.machine import threads
from headstart.core.seeds import Key
from headstart.core.trees import Tree
from headstart.engine.protocol import Chunk, Crew, Failure, Job, failure_of
from headstart.engine.ways.serial import OneByOne
from headstart.engine.ways.shared_memory import Slots

SLOT_BYTES = 2**30
"""Memory that results of clients may take while they wait for their turn."""

MOST_DEATHS = 3
"""Workers that may die over one task before the engine gives up."""


@dataclass(eq=False)
class _Worker:
    """One process, the pipe to it, and what it is doing."""

    process: BaseProcess
    pipe: Connection
    task: int | None = None


@dataclass(frozen=True)
class _Part:
    """Results of some clients of a task: from the ``first`` place of its slot on."""

    first: int
    positions: list[int]
    finished: list[Any]


_Answer = EngineError | list[_Part | Failure]
"""What a worker says of a task: why no client could be done, or of each why it failed or where its results are."""


@dataclass(eq=False)
class Workers:
    """Does a job in several processes.

    Attributes:
        job: what is to be done.
        count: number of processes.
        slots: tasks whose results may wait for their turn, at most; fewer where these are large.
        group_size: clients of one task, at most.
        crew: who does a task in its process; None does client by client.
        processes: those that live; none before the first round.
    """

    job: Job
    count: int
    slots: int
    group_size: int = 1
    crew: Crew | None = None
    processes: list[_Worker] = field(default_factory=list, init=False)
    _shared: Slots | None = None
    _results: tuple[Slots, ...] = ()

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.processes:
            worker.pipe.close()
        for worker in self.processes:
            worker.process.join(timeout=1)
            worker.process.kill()

    def map(self, shared: Tree, positions: Array, key: tuple[Key, ...]) -> Iterator[Chunk | Failure]:
        """Do the work, longest client first."""
        queue, here = longest_first(self.job, positions, self.group_size), list[list[Chunk | Failure]]()
        while queue and self._shared is None:
            here.append(self._first(shared, queue.pop(), key))
        if queue:
            self._start(shared)
            yield from _Round(self, queue, key).results()
        for found in reversed(here):
            yield from found

    def _first(self, shared: Tree, task: Array, key: tuple[Key, ...]) -> list[Chunk | Failure]:
        """Do a short task here: it shows what results look like, and what it computes once, workers then have."""
        with threads(1):
            found = list(self._crew.map(shared, task, key))
        if chunk := next((each for each in found if isinstance(each, Chunk)), None):
            like = tuple(trees.unstack(tree, 0) for tree in chunk.results)
            self.slots = self._slots(self.group_size * sum(trees.num_bytes(tree) for tree in like))
            self._results = tuple(Slots(trees.broadcast(tree, self.group_size), self.slots) for tree in like)
            self._shared = Slots(shared, 1)
        return found

    @property
    def _crew(self) -> Crew:
        return self.crew or OneByOne(self.job)

    def _slots(self, result_bytes: int) -> int:
        """Return how many results may wait: fewer where one is large, but always two for each process."""
        return max(2 * self.count, min(self.slots, SLOT_BYTES // max(1, result_bytes)))

    def _start(self, shared: Tree) -> None:
        """Share the server's tree, and fork what is missing."""
        assert self._shared is not None
        self._shared.write(0, shared)
        while len(self.processes) < self.count:
            self.processes.append(self._fork())

    def _fork(self) -> _Worker:
        ours, theirs = multiprocessing.Pipe()
        others = [ours, *(worker.pipe for worker in self.processes)]
        process = fork(self._serve, theirs, others)
        theirs.close()
        return _Worker(process, ours)

    def replace(self, worker: _Worker) -> _Worker:
        """Put a new process in a dead one's place."""
        worker.pipe.close()
        worker.process.join()
        index = self.processes.index(worker)
        del self.processes[index]
        fresh = self._fork()
        self.processes.insert(index, fresh)
        return fresh

    def _serve(self, pipe: Connection, others: list[Connection]) -> None:
        """Live as a worker: until the other end of the pipe is closed."""
        end_with_parent()
        # An inherited end would keep a pipe open after its owner is gone.
        for other in others:
            other.close()
        torch.set_num_threads(1)
        while True:
            try:
                task, slot, key = pipe.recv()
            except (EOFError, OSError):
                return
            try:
                pipe.send(self._do(task, slot, key))
            except OSError:
                return

    def _do(self, task: Array, slot: int, key: tuple[Key, ...]) -> _Answer:
        """Work for a task's clients; results go into its slot. A fault of the engine is told, for it ends the round."""
        assert self._shared is not None
        parts, first = list[_Part | Failure](), 0
        try:
            for found in self._crew.map(self._shared.read(0), task, key):
                parts += [found] if isinstance(found, Failure) else self._written(found, slot, first)
                first += 1 if isinstance(found, Failure) else len(found.positions)
        except EngineError as error:
            return error
        return parts

    def _written(self, chunk: Chunk, slot: int, first: int) -> Sequence[_Part | Failure]:
        try:
            for slots, tree in zip(self._results, chunk.results, strict=False):
                slots.write_part(slot, first, tree)
        except Exception as error:
            if fault := fault_of(error):
                raise fault from error
            return [failure_of(position, error) for position in chunk.positions]
        return [_Part(first, list(chunk.positions), list(chunk.finished))]

    def results(self, answer: list[_Part | Failure], slot: int) -> Iterator[Chunk | Failure]:
        """Yield a task's results where they lie."""
        for part in answer:
            yield part if isinstance(part, Failure) else self._chunk(part, slot)

    def _chunk(self, part: _Part, slot: int) -> Chunk:
        some = slice(part.first, part.first + len(part.positions))
        results = tuple({name: value[some] for name, value in slots.read(slot).items()} for slots in self._results)
        return Chunk(part.positions, results, part.finished)


def longest_first(job: Job, positions: Array, group_size: int) -> list[Array]:
    """Split clients into tasks of equal size or nearly so, those with most examples first.

    How is a function of the clients alone: a task's results may depend in their last bits on who is in it.
    """
    sizes = job.clients.rows.sizes(positions)
    order = positions[np.lexsort((positions, -sizes))]
    return np.array_split(order, -(-len(order) // group_size)) if len(order) else []


@dataclass(eq=False)
class _Round:
    """One round's tasks: given out in order, taken back in order."""

    workers: Workers
    queue: list[Array]
    key: tuple[Key, ...]
    _answers: dict[int, _Answer] = field(default_factory=dict)
    _deaths: dict[int, int] = field(default_factory=dict)

    def results(self) -> Iterator[Chunk | Failure]:
        """Yield results in the order of the queue.

        Raises:
            EngineError: memory, processes or the device fail, or workers die again and again over one client.
        """
        self._todo = deque(range(len(self.queue)))
        for turn in range(len(self.queue)):
            self._taken = turn
            while turn not in self._answers:
                self._give()
                self._collect()
            answer = self._answers.pop(turn)
            if isinstance(answer, EngineError):
                raise answer
            yield from self.workers.results(answer, self._slot(turn))

    def _slot(self, turn: int) -> int:
        return turn % self.workers.slots

    def _give(self) -> None:
        """Give free workers the next tasks whose slots are free."""
        for worker in list(self.workers.processes):
            if worker.task is None and self._todo and self._todo[0] < self._taken + self.workers.slots:
                worker.task = self._todo.popleft()
                self._send(worker, worker.task)

    def _send(self, worker: _Worker, turn: int) -> None:
        try:
            worker.pipe.send((self.queue[turn], self._slot(turn), self.key))
        except OSError:
            self._died(worker)

    def _collect(self) -> None:
        """Wait until a worker answers or dies."""
        busy = {worker.pipe: worker for worker in self.workers.processes if worker.task is not None}
        for pipe in wait(list(busy)):
            worker = busy[pipe]  # type: ignore[index]
            try:
                answer = worker.pipe.recv()
            except (EOFError, OSError):
                self._died(worker)
            else:
                assert worker.task is not None
                self._answers[worker.task], worker.task = answer, None

    def _died(self, worker: _Worker) -> None:
        """Have a dead worker's task done again, by a new one."""
        turn = worker.task
        assert turn is not None
        worker.task = None
        self._deaths[turn] = self._deaths.get(turn, 0) + 1
        if self._deaths[turn] == MOST_DEATHS:
            raise EngineError(
                f"a worker process died {MOST_DEATHS} times over {self._names(turn)} ({_end(worker)}); is "
                f'there enough memory? set fewer engine.workers, or engine.way = "loop"'
            )
        self.workers.replace(worker)
        self._todo.appendleft(turn)

    def _names(self, turn: int) -> str:
        names = [self.workers.job.clients.members[position].id for position in self.queue[turn].tolist()]
        return f"client{'s' * (len(names) > 1)} {', '.join(map(repr, names))}"


def _end(worker: _Worker) -> str:
    """Say how a worker's process ended."""
    worker.process.join()
    code = worker.process.exitcode or 0
    return f"ended by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
