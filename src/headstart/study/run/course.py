"""Where a race stands: which arms are in, which runs are finished, what may still be looked at."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from headstart.core.units import duration
from headstart.evidence.answer_words import amount
from headstart.evidence.metrics import measure_of
from headstart.evidence.race import Ended, Look, Out, OutKind, Race, Taken, beaten
from headstart.evidence.sides import FAMILIES, Family
from headstart.study.run.runner import Runner
from headstart.study.run.tuning import is_head_only
from headstart.study.spread.spread import spread_of
from headstart.study.written.arms import Arm

Runs = frozenset[tuple[str, int]]
"""Finished runs, by arm and seed."""


@dataclass(frozen=True)
class Entry:
    """An arm that takes part.

    Attributes:
        arm: as written.
        family: that it stands for; None of a reference.
        cost: order of cheapness: bytes, then operations, then the order of arms.
    """

    arm: Arm
    family: Family | None
    cost: tuple[float, float, int]

    @property
    def name(self) -> str:
        """The arm's name."""
        return self.arm.name

    @property
    def is_deep(self) -> bool:
        """Whether it trains more than a head."""
        return not is_head_only(self.arm)


@dataclass
class Course:
    """The state of a race, and of a study that runs everything.

    Attributes:
        runner: runs arms.
        entries: that take part.
        seeds: of every arm until the first look that decides.
        coming: looks that may follow, the next first.
        deadline: time (:func:`time.monotonic`) after which nothing more is begun; None for none.
        takes: says about how many seconds a run of an arm with a seed takes; None where nobody knows.
        out: arms that do not go on.
        taken: looks that are past.
        late: whether something was left undone for want of time.
    """

    runner: Runner
    entries: Sequence[Entry]
    seeds: Sequence[int]
    coming: list[Look]
    deadline: float | None = None
    takes: Callable[[Arm, int], float] | None = None
    out: dict[str, Out] = field(default_factory=dict)
    taken: list[Taken] = field(default_factory=list)
    late: bool = False

    def __post_init__(self) -> None:
        # Heads are nearly free; then comes first what training takes least of.
        self.entries = sorted(self.entries, key=lambda one: (one.is_deep, one.cost[1]))
        self._lines = sum(self.runner.lines(one.arm, self.seeds) for one in self.entries)
        self.runner.progress.plan(self._lines)
        self._spread = spread_of(self.runner, self._is_late, has_deadline=self.deadline is not None)

    @property
    def still_in(self) -> list[Entry]:
        """The arms that go on, in the order in which they run."""
        return [one for one in self.entries if one.name not in self.out and one.name not in self.runner.stopped]

    @property
    def runs(self) -> Runs:
        """What is finished."""
        return frozenset(self.runner.ran)

    @property
    def unfinished(self) -> list[Entry]:
        """The arms that have something to run before the next look."""
        return [one for one in self.still_in if any((one.name, seed) not in self.runner.ran for seed in self.seeds)]

    @property
    def too_long(self) -> list[str]:
        """The arms that were left out for want of time."""
        return [name for name, out in self.out.items() if out.kind == "time"]

    @property
    def is_cut_short(self) -> bool:
        """Whether anything was left out, or undone, for want of time."""
        return self.late or bool(self.too_long)

    @property
    def headroom(self) -> float | None:
        """How much deep arms are taken to gain at the most over heads of their family; None for any amount."""
        return self.runner.settings.study.headroom

    def state(self, ended: Ended | None = None) -> Race:
        """Return where the race stands, for those who read."""
        left = self.unfinished if ended is None else []
        return Race(
            until=self.runner.settings.study.until,
            ended=ended,
            taken=tuple(self.taken),
            coming=tuple(self.coming),
            out=dict(self.out),
            left=tuple(one.name for one in left),
            headroom=self.headroom,
        )

    def go(self, one: Entry, seeds: Sequence[int]) -> None:
        """Run an arm with some seeds, as far as time allows."""
        left = [seed for seed in seeds if (one.name, seed) not in self.runner.ran]
        if left and one in self._in_time([one], left[0]):
            self._prepare(one, left)
        for seed in left:
            if one not in self._in_time([one], seed):
                return
            # What others have finished in time only has to be recorded.
            if (one.name, seed) not in self.runner.told and not self._has_time(one, seed):
                return
            self.runner.run(one.arm, [seed])

    def _has_time(self, one: Entry, seed: int) -> bool:
        """Tune an arm for a run of it, as far as time allows, and say whether there is some left."""
        if not self._spread:
            for other in self.runner.group(one.arm, seed):
                self.runner.tune(one.arm, other, self._is_late)
        return not self._is_late()

    def _prepare(self, one: Entry, seeds: Sequence[int]) -> None:
        """Have done what an arm needs, where others can do it."""
        if self._spread:
            self._want([one], seeds)
            self._spread.wait(one.arm, seeds)
            if not one.is_deep:
                self.runner.choose(one.arm, seeds)
        elif one.is_deep and len(seeds) > 1 and not self._is_late():
            self.runner.beside([one.arm], seeds, finals=True)

    def ahead(self, entries: Sequence[Entry], seeds: Sequence[int]) -> None:
        """Compute what heads need with some seeds, side by side, or put up what all of these are sure to need."""
        heads = [one.arm for one in entries if not one.is_deep]
        if self._spread:
            self._want(entries, seeds)
        elif heads and not self._is_late():
            self.runner.ahead(heads, seeds)

    def _want(self, entries: Sequence[Entry], seeds: Sequence[int], *, runs: bool = True) -> None:
        if self._spread and not self._is_late():
            self._spread.want([one.arm for one in entries], seeds, runs=runs)

    def take_up(self) -> None:
        """Record the runs that others have finished before their turn."""
        for one in self.still_in:
            for seed in self.seeds:
                if (one.name, seed) in self.runner.told - self.runner.ran:
                    self.runner.run(one.arm, [seed])

    def go_on(self, seeds: Sequence[int]) -> list[int]:
        """Let those who are in run until the next look, and return the seeds that are new."""
        more = [seed for seed in seeds if seed not in self.seeds]
        self.expect(sum(self.runner.lines(one.arm, more) for one in self.still_in))
        self.seeds = list(seeds)
        return more

    def try_out(self, entries: Sequence[Entry], seed: int) -> None:
        """Let arms' trials with a seed, or runs where they have none, say how they do on validation data."""
        entries = self._in_time(entries, seed)
        if self._spread:
            self._want(entries, [seed], runs=False)
            for one in entries:
                self._spread.wait(one.arm, [seed])
        elif not self._is_late():
            self.runner.beside([one.arm for one in entries], [seed])
        for one in entries:
            if not self._is_late():
                self.runner.tune(one.arm, seed, self._is_late)
            if (one.name, seed) not in self.runner.scored:
                self.go(one, [seed])

    def drop(self) -> None:
        """Leave out arms that validation data show to be beaten by their family's best."""
        for family in FAMILIES:
            self._drop(family)

    def _drop(self, family: Family) -> None:
        rivals = [one for one in self.still_in if one.family == family]
        scores = {one.name: self.runner.validation(one.arm, self.seeds) for one in rivals}
        values = {name: found for name, found in scores.items() if found is not None}
        for name, (ahead, behind) in beaten(values, {one.name: one.cost for one in rivals}).items():
            one = next(one for one in rivals if one.name == name)
            seeds = len([row for row in values[name] if np.isfinite(row).any()])
            error = self.amount(behind.se)
            words = f"{self.amount(behind.mean)} behind {ahead} on validation data (standard error {error})"
            self.leave(one, "dropped", words, seeds)

    def leave(self, one: Entry, kind: OutKind, why: str, seeds: int | None = None) -> None:
        """Let an arm go on no more."""
        ran = [seed for seed in self.seeds if (one.name, seed) in self.runner.ran]
        self.out[one.name] = Out(kind, len(ran) if seeds is None else seeds, why)
        self.expect(self.runner.made(one.arm) - self.runner.lines(one.arm, self.seeds))

    def expect(self, more: int) -> None:
        """Tell who waits that there is more to do, or less."""
        self._lines += more
        self.runner.progress.plan(self._lines)

    def amount(self, value: float) -> str:
        """Say a difference in the decision's metric."""
        return amount(value, measure_of(self.runner.settings.decision.metric, self.runner.lab.federation.task))

    def _in_time(self, entries: Sequence[Entry], seed: int) -> list[Entry]:
        """Return those that are in, but for deep arms that take longer with a seed than is left."""
        if self.deadline is not None and self.takes is not None and not (self._spread or self._is_late()):
            for one in entries:
                if one.is_deep and one in self.still_in:
                    self._leave_too_long(one, self.takes(one.arm, seed), self.deadline - time.monotonic())
        return [one for one in entries if one in self.still_in]

    def _leave_too_long(self, one: Entry, takes: float, left: float) -> None:
        if takes > left:
            needs, has = (duration(max(0.0, seconds), digits=0) for seconds in (takes, left))
            self.leave(one, "time", f"a run of it takes about {needs}, and {has} were left")

    def _is_late(self) -> bool:
        """Say whether time is up; only asked where there is something left to do."""
        self.late = self.late or (self.deadline is not None and time.monotonic() > self.deadline)
        return self.late
