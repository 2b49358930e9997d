"""Stages side by side: those of many arms, seeds and trials, whose heads take their steps together.

Each stage goes on as if it were alone, in a thread of its own, of which one runs at a time, until it asks for a walk in
dual form. Once all that go on wait for one, the walks are taken in step, which costs little more than one of them.
Whose stages go together changes no bit of what they come to, since it changes none of a walk.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from headstart.core.trees import Params
from headstart.engine.protocol import Crew, Engine, Job
from headstart.training.dual import DualWalk, descend_dual

Task = Callable[[Engine], object]
"""A stage, given the engine that it is to use."""


def side_by_side(tasks: Sequence[Task], engine: Engine) -> list[Exception | None]:
    """Do tasks side by side.

    Args:
        tasks: none of which waits for another.
        engine: that does what is not done together.

    Returns:
        For each task the error that ended it, or None.
    """
    seats = [_Seat(task) for task in tasks]
    for seat in seats:
        seat.begin(_Together(engine, seat))
    while waiting := [(seat, seat.walk) for seat in seats if seat.walk]:
        found = _taken([walk for _, walk in waiting])
        for (seat, _), heads in zip(waiting, found, strict=True):
            seat.go_on(heads)
    return [seat.error for seat in seats]


def _taken(walks: Sequence[DualWalk]) -> list[Params | Exception]:
    """Take walks in step; where that fails, each alone, so that nobody is ended by another's error."""
    try:
        return [*descend_dual(walks)]
    except Exception:
        return [_alone(walk) for walk in walks]


def _alone(walk: DualWalk) -> Params | Exception:
    try:
        return descend_dual([walk])[0]
    except Exception as error:
        return error


@dataclass(eq=False)
class _Seat:
    """Where one task sits: it runs, or it waits for a walk, and meanwhile whoever began it goes on.

    Attributes:
        task: what is done.
        walk: that it waits for; None while it runs, and at its end.
        error: that ended it.
    """

    task: Task
    walk: DualWalk | None = None
    error: Exception | None = None
    _found: Params | Exception = field(default_factory=dict)
    _turn: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _back: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def begin(self, engine: Engine) -> None:
        """Run the task to its first walk, or to its end."""
        # A process that is interrupted does not wait for its tasks.
        threading.Thread(target=self._run, args=(engine,), daemon=True).start()
        self._back.acquire()

    def go_on(self, found: Params | Exception) -> None:
        """Hand over a walk's heads, and run the task to its next walk, or to its end."""
        self.walk, self._found = None, found
        self._turn.release()
        self._back.acquire()

    def take(self, walk: DualWalk) -> Params:
        """Wait for a walk; called by the task."""
        self.walk = walk
        self._back.release()
        self._turn.acquire()
        if isinstance(self._found, Exception):
            raise self._found
        return self._found

    def _run(self, engine: Engine) -> None:
        try:
            self.task(engine)
        except Exception as error:
            self.error = error
        finally:
            self._back.release()


@dataclass(frozen=True)
class _Together:
    """An engine whose clients take walks with those of other stages."""

    engine: Engine
    seat: _Seat

    @contextmanager
    def crew(self, job: Job) -> Iterator[Crew]:
        """Yield who does the job."""
        with self.engine.crew(replace(job, clients=replace(job.clients, take=self.seat.take))) as crew:
            yield crew
