"""Processes on this machine, each with its cores; one that dies is replaced, and its piece is done again."""

from __future__ import annotations

import json
import multiprocessing
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import ModuleType, TracebackType
from typing import Protocol, Self

from headstart.core.errors import SettingError
from headstart.core.machine import num_cores
from headstart.study.run.pipeline import Pipeline
from headstart.study.spread.answer import read_answer
from headstart.study.spread.board import Board
from headstart.study.spread.cluster.address import check_cluster
from headstart.study.spread.piece import Piece
from headstart.study.spread.process import serve, settle, shares
from headstart.study.spread.source import Source


@dataclass(frozen=True)
class Seat:
    """Where a process works.

    Attributes:
        number: tells it from others, which may have the same cores.
        cores: that it may use.
        threads: of PyTorch.
    """

    number: int
    cores: Sequence[int]
    threads: int


class Begin(Protocol):
    """Begins a process."""

    def __call__(self, seat: Seat, pipe: Connection, others: Sequence[Connection]) -> BaseProcess:
        """Begin one.

        Args:
            seat: where it works.
            pipe: its end.
            others: ends that it must not keep open.
        """
        ...


@dataclass(eq=False)
class _Worker:
    """One process, the pipe to it, and what it is doing."""

    process: BaseProcess
    pipe: Connection
    seat: Seat
    piece: Piece | None = None


@dataclass(eq=False)
class Local:
    """Hands on this machine.

    Attributes:
        begin: begins a process.
        seats: where processes work, one each.
    """

    begin: Begin
    seats: Sequence[Seat]
    _workers: list[_Worker] = field(default_factory=list, init=False)

    @property
    def count(self) -> int:
        """How many pieces are done at once."""
        return len(self.seats)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.pipe.close()
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()

    def go_on(self, board: Board) -> None:
        """Give free processes what may begin, and wait until one ends a piece, or dies."""
        while self._has_room() and (piece := board.next()):
            self._give(piece)
        busy = {worker.pipe: worker for worker in self._workers if worker.piece}
        for pipe in wait([*busy]) if busy else ():
            self._collect(board, busy[pipe])  # type: ignore[index]

    def _has_room(self) -> bool:
        return len([worker for worker in self._workers if worker.piece]) < self.count

    def _give(self, piece: Piece) -> None:
        worker = next((worker for worker in self._workers if not worker.piece), None) or self._began()
        try:
            worker.pipe.send_bytes(json.dumps(piece.as_json()).encode())
        except OSError:
            # It died while it had nothing to do.
            self._remove(worker)
            self._give(piece)
        else:
            worker.piece = piece

    def _began(self) -> _Worker:
        """Begin a process where there is a seat."""
        taken = [worker.seat for worker in self._workers]
        seat = next(seat for seat in self.seats if seat not in taken)
        ours, theirs = multiprocessing.Pipe()
        process = self.begin(seat, theirs, [ours, *(worker.pipe for worker in self._workers)])
        theirs.close()
        self._workers.append(_Worker(process, ours, seat))
        return self._workers[-1]

    def _collect(self, board: Board, worker: _Worker) -> None:
        assert worker.piece is not None
        try:
            answer = read_answer(json.loads(worker.pipe.recv_bytes()))
        except (EOFError, OSError):
            self._died(board, worker)
        else:
            board.end(worker.piece, answer)
            worker.piece = None

    def _died(self, board: Board, worker: _Worker) -> None:
        """Have a dead process' piece done again, by another."""
        self._remove(worker)
        assert worker.piece is not None
        board.again(worker.piece)

    def _remove(self, worker: _Worker) -> None:
        worker.pipe.close()
        worker.process.join()
        self._workers.remove(worker)


def check_jobs(jobs: int, cluster: str | None = None, *, is_here: bool = True) -> None:
    """Check how many processes are asked for.

    Args:
        jobs: that number.
        cluster: whose workers are asked for; None for none.
        is_here: whether clients' examples are here.

    Raises:
        SettingError: it is none, or clients work where their data are.
    """
    if not isinstance(jobs, int) or isinstance(jobs, bool) or jobs < 1:
        raise SettingError(
            f"jobs: must be a whole number of processes, 1 or more, received {jobs!r}; "
            f"there are {num_cores()} cores here, and a process more than that gains nothing"
        )
    if jobs > 1 and cluster is not None:
        raise SettingError(
            f"jobs: must be 1 on a cluster, whose machines say how many cores, received {jobs}; leave it out"
        )
    if cluster is not None:
        check_cluster(cluster)
    if cluster is not None and not is_here:
        raise SettingError(f"cluster: is for clients whose examples are here, received {cluster!r}; leave it out")
    if jobs > 1 and not is_here:
        raise SettingError(f"jobs: must be 1 where clients work at their sites, received {jobs}; leave it out")


def in_words(jobs: int) -> str:
    """Say how processes share the cores.

    >>> in_words(1_000_000).partition(" share ")[0]
    '1,000,000 processes'
    """
    cores = num_cores()
    if jobs > cores:
        return f"{jobs:,} processes share {cores} cores, which is seldom faster than {cores} processes"
    each = cores // jobs
    return f"{jobs} processes, {each}{' or more' if cores % jobs else ''} {'core' if each == 1 else 'cores'} each"


def forked(pipelines: Callable[[int], Pipeline], count: int) -> Local:
    """Return clones of this process, which have all that it has opened; one core and one thread each.

    A clone of a process that used several threads hangs where it uses several itself (GNU OpenMP).

    Args:
        pipelines: of each seed.
        count: of processes.
    """

    def begin(seat: Seat, pipe: Connection, others: Sequence[Connection]) -> BaseProcess:
        process = multiprocessing.get_context("fork").Process(target=_clone, args=(seat, pipe, others, pipelines))
        with warnings.catch_warnings():
            # Newer Pythons warn of any fork beside threads; PyTorch's idle ones hold no lock.
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
        return process

    return Local(begin, [Seat(at, cores[:1], 1) for at, cores in enumerate(shares(count))])


def _clone(seat: Seat, pipe: Connection, others: Sequence[Connection], pipelines: Callable[[int], Pipeline]) -> None:
    # An inherited end would keep a pipe open after its owner is gone.
    for other in others:
        other.close()
    settle(seat.cores, seat.threads)
    serve(pipe, pipelines)


def spawned(source: Source, count: int, threads: int) -> Local:
    """Return new processes, each of which opens the study.

    Args:
        source: of the study.
        count: of processes.
        threads: that suit the network, of PyTorch; never more than a process has cores.
    """

    def begin(seat: Seat, pipe: Connection, others: Sequence[Connection]) -> BaseProcess:
        del others  # a new process inherits none
        process = multiprocessing.get_context("spawn").Process(target=_open, args=(seat, pipe, source))
        with _without_main():
            process.start()
        return process

    return Local(begin, [Seat(at, cores, min(threads, len(cores))) for at, cores in enumerate(shares(count))])


@contextmanager
def _without_main() -> Iterator[None]:
    """Have a new process not run this one's program again, which would run the study in it if nothing guards it."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _open(seat: Seat, pipe: Connection, source: Source) -> None:
    settle(seat.cores, seat.threads)
    serve(pipe, source.open())
