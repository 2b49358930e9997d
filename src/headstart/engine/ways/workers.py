"""Clients spread over processes, one thread each, which share parameters and results as memory.

Workers are forked, so they have the data, the model and the work from the start; a message to a worker is a client's
position and a slot, its answer a few bytes. What crosses in shared memory is copied once, never serialised. Clients
go to workers longest first; results come back in that order, whoever computed them and when, so that sums are the
same for any number of workers. A worker that dies is replaced, and the client it worked on is done again.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Iterator
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
from headstart.core.forks import fork
from headstart.core.machine import threads
from headstart.core.seeds import Key
from headstart.core.trees import Tree
from headstart.engine.protocol import Chunk, Failure, Job, failure_of
from headstart.engine.ways.serial import OneByOne
from headstart.engine.ways.shared_memory import Slots

SLOT_BYTES = 2**30
"""Memory that results of clients may take while they wait for their turn."""

MOST_DEATHS = 3
"""Workers that may die over one client before the engine gives up."""

_Answer = Failure | EngineError | list[Any]
"""What a worker says of a client: why it failed, why no client could be done, or what its results finished as."""


@dataclass(eq=False)
class _Worker:
    """One process, the pipe to it, and what it is doing."""

    process: BaseProcess
    pipe: Connection
    task: int | None = None


@dataclass(eq=False)
class Workers:
    """Does a job in several processes.

    Attributes:
        job: what is to be done.
        count: number of processes.
        slots: results that may wait for their turn.
        processes: those that live; none before the first round.
    """

    job: Job
    count: int
    slots: int
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
        queue, here = self._longest_first(positions), []
        while queue and self._shared is None:
            here.append(self._first(shared, queue.pop(), key))
        if queue:
            self._start(shared)
            yield from _Round(self, queue, key).results()
        yield from reversed(here)

    def _longest_first(self, positions: Array) -> list[int]:
        sizes = self.job.clients.rows.sizes(positions)
        order = np.lexsort((positions, -sizes))
        return [int(position) for position in positions[order]]

    def _first(self, shared: Tree, position: int, key: tuple[Key, ...]) -> Chunk | Failure:
        """Do a short client here: it shows what results look like, and what it computes once, workers then have."""
        with threads(1):
            found = OneByOne(self.job).one(shared, position, key)
        if isinstance(found, Chunk):
            self.slots = self._slots(sum(trees.num_bytes(tree) for tree in found.results))
            self._results = tuple(Slots(trees.unstack(tree, 0), self.slots) for tree in found.results)
            self._shared = Slots(shared, 1)
        return found

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
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # An inherited end would keep a pipe open after its owner is gone.
        for other in others:
            other.close()
        torch.set_num_threads(1)
        while True:
            try:
                position, slot, key = pipe.recv()
            except (EOFError, OSError):
                return
            try:
                pipe.send(self._do(position, slot, key))
            except OSError:
                return

    def _do(self, position: int, slot: int, key: tuple[Key, ...]) -> _Answer:
        """Work for one client; results go into its slot. A fault of the engine is told, for it ends the round."""
        assert self._shared is not None
        try:
            found = OneByOne(self.job).one(self._shared.read(0), position, key)
            if isinstance(found, Failure):
                return found
            for slots, tree in zip(self._results, found.results, strict=False):
                slots.write(slot, {name: value[0] for name, value in tree.items()})
        except EngineError as error:
            return error
        except Exception as error:
            return fault_of(error) or failure_of(position, error)
        return list(found.finished)

    def chunk(self, position: int, slot: int, finished: list[Any]) -> Chunk:
        """Return a client's results where they lie."""
        return Chunk([position], tuple(slots.stacked(slot) for slots in self._results), finished)


@dataclass(eq=False)
class _Round:
    """One round's clients: given out in order, taken back in order."""

    workers: Workers
    queue: list[int]
    key: tuple[Key, ...]
    _answers: dict[int, _Answer] = field(default_factory=dict)
    _deaths: dict[int, int] = field(default_factory=dict)

    def results(self) -> Iterator[Chunk | Failure]:
        """Yield results in the order of the queue.

        Raises:
            EngineError: memory, processes or the device fail, or workers die again and again over one client.
        """
        self._todo = deque(range(len(self.queue)))
        for turn, position in enumerate(self.queue):
            self._taken = turn
            while turn not in self._answers:
                self._give()
                self._collect()
            answer = self._answers.pop(turn)
            if isinstance(answer, EngineError):
                raise answer
            yield answer if isinstance(answer, Failure) else self.workers.chunk(position, self._slot(turn), answer)

    def _slot(self, turn: int) -> int:
        return turn % self.workers.slots

    def _give(self) -> None:
        """Give free workers the next clients whose slots are free."""
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
        """Have a dead worker's client done again, by a new one."""
        turn = worker.task
        assert turn is not None
        worker.task = None
        self._deaths[turn] = self._deaths.get(turn, 0) + 1
        if self._deaths[turn] == MOST_DEATHS:
            raise EngineError(
                f"a worker process died {MOST_DEATHS} times over client '{self._name(turn)}' ({_end(worker)}); is "
                f'there enough memory? set fewer engine.workers, or engine.way = "loop"'
            )
        self.workers.replace(worker)
        self._todo.appendleft(turn)

    def _name(self, turn: int) -> str:
        return self.workers.job.clients.members[self.queue[turn]].id


def _end(worker: _Worker) -> str:
    """Say how a worker's process ended."""
    worker.process.join()
    code = worker.process.exitcode or 0
    return f"ended by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
