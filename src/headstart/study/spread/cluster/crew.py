"""Workers on the cores of a cluster, and how errands are given to them, again where a worker is lost."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from headstart.core.errors import EngineError
from headstart.study.spread.cluster.link import Link, Lost, Machine

_MOST_DEATHS = 3
"""Workers that may die over one errand before it is given up."""

_MOST_LOST = 10
"""Workers that a machine may lose before it gets no more."""

_PATIENCE = 120.0
"""Seconds that the first worker may take to come."""

_TURN = 1.0
"""Seconds after which it is looked anew who is there."""


@dataclass(eq=False)
class Member:
    """A worker.

    Attributes:
        handle: how the cluster knows it.
        machine: that it works on.
        has: keys of what it was given already.
    """

    handle: Any
    machine: Machine
    has: set[str] = field(default_factory=set)


@dataclass(frozen=True, eq=False)
class Errand:
    """Something that one worker is to do.

    Attributes:
        what: the worker's method.
        values: returns its arguments, for a worker.
        take: takes its answer, with who gave it.
        lose: told where the worker was lost.
    """

    what: str
    values: Callable[[Member], Sequence[Any]]
    take: Callable[[Member, Any], object]
    lose: Callable[[], object] = lambda: None


@dataclass(eq=False)
class Crew:
    """All workers of a cluster.

    Attributes:
        link: to the cluster.
        steps: what every worker does when it comes, before anything else.
        cores: of a worker.
        on_card: whether workers compute on graphics cards: each has one, and there are as many as cards.
        warn: told, in a line, of a machine that loses workers.
        patience: seconds that the first worker may take to come.
    """

    link: Link
    steps: Sequence[Errand]
    cores: int = 1
    on_card: bool = False
    warn: Callable[[str], object] = lambda _: None
    patience: float = _PATIENCE
    _free: list[Member] = field(default_factory=list, init=False)
    _coming: dict[Any, tuple[Member, int]] = field(default_factory=dict, init=False)
    _busy: dict[Any, tuple[Member, Errand]] = field(default_factory=dict, init=False)
    _losses: Counter[str] = field(default_factory=Counter, init=False)

    @property
    def count(self) -> int:
        """How many workers have come."""
        return len(self._free) + len(self._busy)

    @property
    def machines(self) -> int:
        """How many machines they are on."""
        return len({member.machine.id for member in self._members()})

    def gather(self) -> None:
        """Hire a worker for every group of cores, and wait until all have come, or after a while some.

        Raises:
            EngineError: none came.
        """
        self.hire()
        waited = 0.0
        while self._coming and not (self.count and waited > self.patience / 4):
            waited += 0 if self._collect() else _TURN
            if waited > self.patience:
                raise EngineError(
                    f"cluster: no worker came within {self.patience:.0f} s: its cores are taken by others, or its "
                    "machines are gone; look with 'ray status'"
                )
        self._check_some()

    def hire(self) -> None:
        """Hire workers for cores that have none: of machines that are new, or lost a worker."""
        hired = Counter(member.machine.id for member in self._members())
        for machine in self.link.machines():
            if self._losses[machine.id] < _MOST_LOST:
                for _ in range(self._places(machine) - hired[machine.id]):
                    self._step(Member(self.link.hire(machine, self.cores, float(self.on_card)), machine), 0)

    def give(self, following: Callable[[], Errand | None]) -> None:
        """Give free workers what comes next, as long as something does."""
        while self._free and (errand := following()) is not None:
            while not self._free:
                self._collect()
                self._check_some()
            member = self._free.pop(0)
            self._busy[self._ask(member, errand)] = (member, errand)

    def wait(self) -> None:
        """Wait until an errand ends, or its worker is lost; where none is under way, until a worker is free.

        Raises:
            EngineError: no worker is left.
        """
        busy = set(self._busy)
        while (self._busy or (self._coming and not self._free)) and not busy - set(self._busy):
            self._collect()
        self._check_some()

    def do(self, errands: Iterable[Errand]) -> None:
        """Do errands, in this order, whatever else workers are at.

        Raises:
            EngineError: three workers died over one of them, or none is left.
        """
        todo = _Todo(deque(map(_Counted, errands)))
        while todo.left:
            self.give(todo.next)
            self.wait()

    def dismiss_all(self) -> None:
        """End all workers."""
        for member in self._members():
            self.link.dismiss(member.handle)
        self._free, self._coming, self._busy = [], {}, {}

    def _places(self, machine: Machine) -> int:
        places = machine.cores // self.cores
        return min(places, int(machine.cards)) if self.on_card else places

    def _members(self) -> list[Member]:
        return [*self._free, *(member for member, _ in (*self._coming.values(), *self._busy.values()))]

    def _ask(self, member: Member, errand: Errand) -> Any:
        return self.link.ask(member.handle, errand.what, *errand.values(member))

    def _step(self, member: Member, step: int) -> None:
        self._coming[self._ask(member, self.steps[step])] = (member, step)

    def _collect(self) -> bool:
        """Take what has come, or comes within a turn; say whether anything has."""
        references = self.link.wait([*self._busy, *self._coming], _TURN)
        for reference in references:
            if reference in self._coming:
                self._come(reference, *self._coming.pop(reference))
            else:
                self._end(reference, *self._busy.pop(reference))
        return bool(references)

    def _come(self, reference: Any, member: Member, step: int) -> None:
        """Let a worker do the next step on its way, or be free."""
        try:
            self.steps[step].take(member, self.link.get(reference))
        except Lost:
            self._lose(member)
            return
        if step + 1 < len(self.steps):
            self._step(member, step + 1)
        else:
            self._free.append(member)

    def _end(self, reference: Any, member: Member, errand: Errand) -> None:
        try:
            answer = self.link.get(reference)
        except Lost:
            self._lose(member)
            errand.lose()
            return
        self._free.append(member)
        errand.take(member, answer)

    def _lose(self, member: Member) -> None:
        """Note that a worker was lost, and hire another where its machine still is."""
        self.link.dismiss(member.handle)
        self._losses[member.machine.id] += 1
        count, host = self._losses[member.machine.id], member.machine.host
        if count == 1:
            self.warn(f"cluster: a worker on '{host}' was lost; what it was at is done again")
        if count == _MOST_LOST:
            self.warn(f"cluster: '{host}' has lost {count} workers and gets no more; is there enough memory?")
        self.hire()

    def _check_some(self) -> None:
        if not (self.count or self._coming):
            machines = self.link.machines()
            if self.on_card and machines and not any(machine.cards for machine in machines):
                raise EngineError(
                    "cluster: the study computes on a graphics card, of which no machine of the cluster offers one; "
                    "write device = 'cpu', or start Ray with --num-gpus where there are cards"
                )
            raise EngineError(
                "cluster: no worker is left; finished work is kept: mend the cluster, then run the same command again"
            )


@dataclass(eq=False)
class _Counted:
    """An errand, with the number of workers that died over it."""

    errand: Errand
    deaths: int = 0


@dataclass(eq=False)
class _Todo:
    """Errands that have to be done, each again where its worker is lost."""

    waiting: deque[_Counted]

    def __post_init__(self) -> None:
        self.left = len(self.waiting)

    def next(self) -> Errand | None:
        """Return the errand that begins next; None where none waits."""
        if not self.waiting:
            return None
        one = self.waiting.popleft()

        def take(member: Member, answer: Any) -> None:
            self.left -= 1
            one.errand.take(member, answer)

        return Errand(one.errand.what, one.errand.values, take, lambda: self._lose(one))

    def _lose(self, one: _Counted) -> None:
        one.deaths += 1
        if one.deaths >= _MOST_DEATHS:
            raise EngineError(
                f"cluster: {_MOST_DEATHS} workers died over one piece of work; is there enough memory? Let fewer "
                "share a machine: give each more cores with [engine] threads"
            )
        self.waiting.appendleft(one)
