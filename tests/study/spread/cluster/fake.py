"""A cluster in this process: workers of ours, called when somebody waits for them; they die when told to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headstart.study.spread.cluster.cores import Room
from headstart.study.spread.cluster.link import Lost, Machine
from headstart.study.spread.cluster.worker import Worker


@dataclass(frozen=True, eq=False)
class Box:
    """A reference."""

    call: Callable[[], Any]


@dataclass(eq=False)
class Hired:
    """A worker, and whether it lives."""

    worker: Worker
    machine: Machine
    lives: bool = True


@dataclass(eq=False)
class Fake:
    """A link."""

    folder: Path
    there: list[Machine] = field(default_factory=lambda: [Machine("a", "north", 2), Machine("b", "south", 1)])
    dies: Callable[[Hired, str], bool] = lambda *_: False
    answers: Callable[[str, Any], Any] = lambda _, answer: answer
    hired: list[Hired] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    puts: int = 0
    closed: bool = False

    def machines(self) -> Sequence[Machine]:
        return self.there

    def put(self, value: Any) -> Box:
        self.puts += 1
        return Box(lambda: value)

    def hire(self, machine: Machine, cores: int, cards: float) -> Hired:
        place = self.folder / f"worker-{len(self.hired)}"
        self.hired.append(Hired(Worker(Room((), place, ())), machine))
        return self.hired[-1]

    def ask(self, worker: Hired, what: str, *values: Any) -> Box:
        def call() -> Any:
            if not worker.lives or worker.machine not in self.there or self.dies(worker, what):
                worker.lives = False
                raise Lost
            self.asked.append(what)
            given = [value.call() if isinstance(value, Box) else value for value in values]
            return self.answers(what, getattr(worker.worker, what)(*given))

        return Box(call)

    def wait(self, references: Sequence[Box], seconds: float | None = None) -> Sequence[Box]:
        return references[:1]

    def get(self, reference: Box) -> Any:
        return reference.call()

    def dismiss(self, worker: Hired) -> None:
        worker.lives = False

    def close(self) -> None:
        self.closed = True

    @contextmanager
    def joined(self) -> Any:
        """Be joined, and left."""
        try:
            yield self
        finally:
            self.close()
