"""Judging a study's runs while they come in, and at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from headstart.core.errors import HeadstartError
from headstart.data.federation import Federation
from headstart.evidence.race import Look, Race, comparable, looks
from headstart.evidence.race_words import stand
from headstart.evidence.sides import Family
from headstart.evidence.verdict import Verdict
from headstart.study.checks import check_results
from headstart.study.estimate import seconds_of_run
from headstart.study.judge import judge_folder, write_verdict
from headstart.study.plan import Costs, device_facts
from headstart.study.run.course import Course, Entry, Runs
from headstart.study.run.folder import RunFolder
from headstart.study.run.race import run_all, run_race
from headstart.study.run.runner import Runner
from headstart.study.spread.spread import spread_of
from headstart.study.written.arms import Arm
from headstart.study.written.load import StudyFile
from headstart.study.written.slate import Slate

_SHARE = 0.05
"""Of the time, what showing answers so far may take."""


@dataclass
class Judging:
    """Runs a study and judges it.

    Attributes:
        file: the study.
        slate: the arms that run, with their costs.
        every_arm: those that a device rules out, too.
        costs: what arms cost.
        runner: runs arms.
        page: given the run folder whenever there is a verdict, to write what people read.
    """

    file: StudyFile
    slate: Slate
    every_arm: Sequence[Arm]
    costs: Costs
    runner: Runner
    page: Callable[[Path], object] | None = None
    _next: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._before = {(line["arm"], line["seed"]) for line in self.folder.records.all()}

    @property
    def folder(self) -> RunFolder:
        """Where results go."""
        return self.runner.folder

    @property
    def federation(self) -> Federation:
        """The study's data."""
        return self.runner.lab.federation

    def race(self) -> Verdict:
        """Run what the study asks for: until it is decided, or all."""
        settings = self.file.settings
        alpha, seeds = round(1 - settings.decision.confidence, 12), settings.seeds
        screens = settings.study.headroom is not None
        coming = [*looks(len(seeds), alpha, screens=screens)] if settings.races else [Look(len(seeds), alpha)]
        minutes = settings.budget.minutes
        deadline = None if minutes is None else time.monotonic() + 60 * minutes
        if self.page and not self._before:
            # What was read and foretold can be looked at while the first arm runs.
            self.page(self.folder.path)
        is_here = self.runner.work.is_here
        takes = seconds_of_run(self.file.settings, self.costs, self.folder.path) if is_here else None
        course = Course(self.runner, self._entries(), list(seeds[: coming[0].seeds]), coming, deadline, takes)
        try:
            return run_race(course, self, seeds) if settings.races else run_all(course, self)
        except KeyboardInterrupt:
            # What is said of a study that is stopped is of all that it has finished.
            if course.coming and course.unfinished:
                self._next = 0.0
                with suppress(HeadstartError):
                    course.take_up()
                    self.show(course.state(), course.runs, course.coming[0])
            raise

    def some(self, arms: Sequence[Arm], seeds: Sequence[int]) -> Verdict:
        """Run arms and seeds that a user chose, and judge all that the folder has."""
        self.runner.progress.plan(sum(self.runner.lines(arm, seeds) for arm in arms))
        if spread := spread_of(self.runner):
            spread.want(arms, seeds)
        for arm in arms:
            if spread:
                spread.wait(arm, seeds)
            self.runner.run(arm, seeds)
        ran = {(line["arm"], line["seed"]) for line in self.folder.records.all()}
        seeds_of_all = comparable(ran, self._families)
        folder = self.folder.only({(arm, seed) for arm, seed in ran if seed in seeds_of_all})
        verdict = self._judged(folder, None, None)
        left_out = sorted({seed for _, seed in ran} - seeds_of_all)
        if left_out:
            words = f"Not judged: what ran with {_seeds(left_out)} alone, which other families' arms lack."
            verdict = replace(verdict, cautions=(*verdict.cautions, words))
        return self._written(verdict, folder)

    def judge(self, race: Race, runs: Runs, look: Look) -> Verdict:
        """Return what runs say at a look."""
        return self._judged(self.folder.only(runs), race, look.alpha)

    def publish(self, verdict: Verdict, runs: Runs) -> Verdict:
        """Write down what runs say at the end."""
        found = self._written(verdict, self.folder.only(runs))
        self.folder.prune()
        return found

    def show(self, race: Race, runs: Runs, look: Look) -> None:
        """Write down what runs say so far, unless that would take more than its share of the time."""
        begin = time.monotonic()
        # What was there before this process has been said before.
        if begin < self._next or not runs - self._before:
            return
        # An arm that is ahead with its seeds must not stand alone before the others have them.
        going = {arm: family for arm, family in self._families.items() if arm not in race.out}
        seeds = comparable(runs, going)
        runs = frozenset((arm, seed) for arm, seed in runs if seed in seeds)
        verdict = self._written(self.judge(race, runs, look), self.folder.only(runs))
        self.runner.progress.stand(stand(verdict.as_json()))
        now = time.monotonic()
        self._next = now + (now - begin) / _SHARE

    @cached_property
    def _families(self) -> dict[str, Family | None]:
        # A federated arm's is known from a network that is built for it.
        return {arm.name: self.costs.family(arm) for arm in self.slate.arms}

    def _entries(self) -> list[Entry]:
        return [self._entry(arm, position) for position, arm in enumerate(self.slate.arms)]

    def _entry(self, arm: Arm, position: int) -> Entry:
        costs = self.slate.costs[arm.name]
        cost = (float(costs.total_bytes), float(costs.client_flops), position)
        return Entry(arm, self._families[arm.name], cost)

    def _judged(self, folder: RunFolder, race: Race | None, alpha: float | None) -> Verdict:
        stopped = {
            arm.name: self.runner.stopped[arm.name] for arm in self.slate.arms if arm.name in self.runner.stopped
        }
        check_results(folder.records.all(), stopped)
        decision = self.file.settings.decision
        verdict = judge_folder(
            folder,
            self.slate,
            decision if alpha is None else replace(decision, confidence=1 - alpha),
            every_arm=self.every_arm,
            federation=self.federation,
            stopped=stopped,
            race=race,
            work=self.runner.work,
        )
        names = ", ".join(arm.name for arm in self.slate.arms if arm.name in self.runner.faults)
        words = f"The engine failed before these arms were run in full: {names}. The answer is among those that were."
        return replace(verdict, cautions=(words, *verdict.cautions)) if names else verdict

    def _written(self, verdict: Verdict, folder: RunFolder) -> Verdict:
        """Write the tables, the verdict, the costs, and what people read."""
        path = folder.path
        verdict = write_verdict(folder, self.federation, verdict)
        folder.write("devices.json", device_facts(self.slate, self.file.devices))
        self.costs.write(path / "costs.json")
        if self.page:
            self.runner.progress.tell("report")
            self.page(path)
        return verdict


def _seeds(numbers: Sequence[int]) -> str:
    return f"{'seed' if len(numbers) == 1 else 'seeds'} {', '.join(map(str, numbers))}"
