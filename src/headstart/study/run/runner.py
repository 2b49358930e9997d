"""Running a study's arms: each is tuned, run for every seed, recorded; finished runs are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from headstart.core.arrays import Array
from headstart.core.errors import ClientError, EngineError, HeadstartError, MetricError, StartError
from headstart.core.faults import engine_faults
from headstart.core.progress import Progress, Silent
from headstart.core.span import is_wide, unscaled
from headstart.costs.arm import ArmCosts
from headstart.evidence.metrics import measure_of
from headstart.study.lab import Lab
from headstart.study.run.ahead import compute_ahead
from headstart.study.run.beside import compute_beside
from headstart.study.run.folder import RunFolder
from headstart.study.run.here import Here
from headstart.study.run.nodes import Node
from headstart.study.run.pipeline import Pipeline, pipeline_of
from headstart.study.run.records import record, summary, to_array
from headstart.study.run.trials import OutOfTime, Scored, best_trial, score_trials
from headstart.study.run.trunk import Trunk
from headstart.study.run.tuning import num_runs, tuned_with
from headstart.study.run.work import TRIAL_VIEWS, Work
from headstart.study.spread.hands import Hands
from headstart.study.written.arms import Arm
from headstart.study.written.schema import StudySettings


@dataclass(frozen=True, kw_only=True)
class Runner:
    """Runs arms of one study into its folder; one that must stop does not end the others.

    Attributes:
        settings: the study's tables.
        lab: data, network, engine.
        trials: the configurations of every arm, by its name.
        costs: of every arm, by its name.
        hashes: what every record carries.
        folder: where results go.
        progress: told what happens.
        stopped: the arms that had to stop, with the reason; filled as that happens.
        faults: of these, the arms that the engine failed; filled likewise.
        ran: arms and seeds that this process has run, or found finished; filled as that happens.
        scored: trials, by the arm's name and the seed; filled as they are made.
        work: what clients do, here or where their data are.
        hands: processes that do pieces of the study; None does all here.
        failed: what stopped nodes, by their key; filled as that happens.
        told: runs whose lines were told before their turn; filled as that happens.
    """

    settings: StudySettings
    lab: Lab
    trials: Mapping[str, Sequence[Arm]]
    costs: Mapping[str, ArmCosts]
    hashes: Mapping[str, str]
    folder: RunFolder
    progress: Progress
    stopped: dict[str, str] = field(default_factory=dict)
    faults: set[str] = field(default_factory=set)
    ran: set[tuple[str, int]] = field(default_factory=set)
    scored: dict[tuple[str, int], Scored] = field(default_factory=dict)
    work: Work = Here()
    hands: Hands | None = None
    failed: dict[str, HeadstartError] = field(default_factory=dict)
    told: set[tuple[str, int]] = field(default_factory=set)

    def pipeline(self, seed: int) -> Pipeline:
        """Return what runs arms for one seed."""
        pipeline = pipeline_of(self.settings, self.lab, self.folder.store, seed, self.progress.tell, self.work)
        return replace(pipeline, failed=self.failed)

    def ahead(self, arms: Sequence[Arm], seeds: Sequence[int]) -> None:
        """Compute what arms of heads need, all trials and seeds side by side: what then runs them finds it there."""
        if not self.work.is_here:
            return
        self.progress.tell("heads, all side by side")
        compute_ahead([run for arm in arms for run in self._trials(arm, seeds)])
        finals = [(one, self.pipeline(seed)) for one, seed in self._all_chosen(arms, seeds)]
        compute_ahead([(one, pipeline, pipeline.final_views) for one, pipeline in finals])

    def beside(self, arms: Sequence[Arm], seeds: Sequence[int], *, finals: bool = False) -> None:
        """Compute trials of arms, and their runs too, in processes beside each other, where that changes no number.

        Args:
            arms: that train more than a head.
            seeds: for each of them; of trials those that choose for them where there are runs.
            finals: whether runs are wanted, too.
        """
        # Where a clock may choose how clients are trained, a process beside others would choose another way.
        if not self.work.is_here or (self.settings.engine.name != "serial" and self.settings.engine.way != "loop"):
            return
        self.progress.tell("arms side by side")
        choosing = {(arm.name, one): arm for arm in arms for seed in seeds for one in self.group(arm, seed)}
        tried = choosing if finals else {(arm.name, seed): arm for arm in arms for seed in seeds}
        todo = [(arm, seed) for (name, seed), arm in tried.items() if (name, seed) not in self.scored]
        compute_beside([(self.pipeline(seed), work) for arm, seed in todo for work in self._trials_of(arm)])
        chosen = self._all_chosen(arms, seeds) if finals else []
        compute_beside([(self.pipeline(seed), partial(_result, arm, self.work.final_views)) for arm, seed in chosen])

    def _trials_of(self, arm: Arm) -> list[Callable[[Pipeline], object]]:
        """Return an arm's trials as pieces of work; those that others may end are one piece."""
        trials = self.trials[arm.name]
        if len(trials) == 1:
            return []
        if arm.adapt.build().changes_nothing:
            return [partial(_result, one, TRIAL_VIEWS) for one in trials]
        return [lambda pipeline: score_trials(trials, pipeline, Silent())]

    def tune(self, arm: Arm, seed: int, is_late: Callable[[], bool]) -> None:
        """Score an arm's trials with one seed, all or none; an arm of one configuration has none."""
        if self.has_trials(arm):
            with suppress(OutOfTime):
                self._attempt(arm, lambda: self._score(arm, seed, is_late))

    def run(self, arm: Arm, seeds: Sequence[int]) -> None:
        """Tune an arm and run it with some seeds."""

        def work() -> None:
            for seed in seeds:
                self._seed(*self.chosen(arm, seed), seed)
                self.ran.add((arm.name, seed))

        self._attempt(arm, work)

    def has_trials(self, arm: Arm) -> bool:
        """Say whether an arm has more configurations than one."""
        return len(self.trials[arm.name]) > 1

    def is_scored(self, arm: Arm, seed: int) -> bool:
        """Say whether all trials are scored that choose an arm's settings for a seed."""
        return all((arm.name, one) in self.scored for one in self.group(arm, seed))

    def choose(self, arm: Arm, seeds: Sequence[int]) -> None:
        """Choose an arm's settings for some seeds; it has to stop where that cannot be done for one of them."""
        self._all_chosen([arm], seeds)

    def lines(self, arm: Arm, seeds: Sequence[int]) -> int:
        """Return how many trials and runs an arm makes with some seeds."""
        count, groups = len(self.trials[arm.name]), {self.group(arm, seed) for seed in seeds}
        return len(seeds) + (sum(count * len(group) for group in groups) if count > 1 else 0)

    def made(self, arm: Arm) -> int:
        """Return how many of an arm's trials and runs are made."""
        trials, runs = ([one for one, _ in found if one == arm.name] for found in (self.scored, self.ran))
        return len(self.trials[arm.name]) * len(trials) + len(runs)

    def validation(self, arm: Arm, seeds: Sequence[int]) -> Array | None:
        """Return seen clients' validation scores ``(seeds, clients)``, greater is better; None where there are none.

        Args:
            arm: of the study; its runs count, or else the trials of the configuration that is best so far.
            seeds: NaN where it has neither.
        """
        rows: list[Array | None] = []
        # It has to stop where all of its trials failed.
        self._attempt(arm, lambda: rows.extend(self._validation(arm, seed) for seed in seeds))
        if arm.name in self.stopped:
            return None
        clients = next((len(row) for row in rows if row is not None), 0)
        nothing = np.full(clients, np.nan)
        return np.stack([nothing if row is None else row for row in rows]) if clients else None

    def _validation(self, arm: Arm, seed: int) -> Array | None:
        pipeline, line = self.pipeline(seed), self.folder.records.get(arm.name, seed)
        if (arm.name, seed) in self.ran and line:
            key = line["key"]
        elif (arm.name, seed) in self.scored:
            scored = [self.scored[arm.name, one] for one in self.group(arm, seed) if (arm.name, one) in self.scored]
            chosen, _ = best_trial(self.trials[arm.name], scored)
            key = pipeline.leaf_key(pipeline.trunk_key(chosen), chosen.adapt, TRIAL_VIEWS)
        else:
            return None
        metric = self.settings.decision.metric
        values = self.folder.store.facts(key)["metrics"].get("val", {}).get(metric)
        if values is None:
            return None
        seen = np.array([client.seen for client in pipeline.federation.clients])
        scores: Array = to_array(values)[seen] * measure_of(metric, pipeline.federation.task).sign
        return scores

    def _trials(self, arm: Arm, seeds: Sequence[int]) -> list[tuple[Arm, Pipeline, Sequence[str]]]:
        """Return what choosing an arm's settings runs."""
        trials = self.trials[arm.name] if len(self.trials[arm.name]) > 1 else ()
        return [(one, self.pipeline(seed), TRIAL_VIEWS) for one in trials for seed in seeds]

    def _all_chosen(self, arms: Sequence[Arm], seeds: Sequence[int]) -> list[tuple[Arm, int]]:
        """Return the configurations that trials choose, with their seeds, of the arms that need not stop."""
        chosen: list[tuple[Arm, int]] = []
        for arm in arms:
            self._attempt(arm, partial(self._choose, arm, seeds, chosen))
        return chosen

    def _choose(self, arm: Arm, seeds: Sequence[int], chosen: list[tuple[Arm, int]]) -> None:
        chosen += [(self.chosen(arm, seed)[0], seed) for seed in seeds]

    def _attempt(self, arm: Arm, work: Callable[[], object]) -> None:
        """Do something for an arm, and note what stops it."""
        if arm.name in self.stopped:
            return
        try:
            with engine_faults():
                work()
        except MetricError:
            raise
        except EngineError as error:
            self.faults.add(arm.name)
            self.stopped[arm.name] = f"stopped: the engine failed: {error}; the same command tries it again"
            self.progress.finish(f"{arm.name}: {self.stopped[arm.name]}")
        except StartError as error:
            self.stopped[arm.name] = f"its start cannot be trained: {error}"
            self.progress.finish(f"{arm.name}: ruled out: {self.stopped[arm.name]}")
        except HeadstartError as error:
            self.stopped[arm.name] = f"stopped: {error}{self._likelier(error)}"
            self.progress.finish(f"{arm.name}: {self.stopped[arm.name]}")

    def _likelier(self, error: HeadstartError) -> str:
        """Return a cause that is likelier than the one which clients' failures name, if there is one."""
        is_likelier = isinstance(error, ClientError) and is_wide(self.lab.span)
        return f"; likeliest cause: {unscaled(self.lab.span)}" if is_likelier else ""

    def group(self, arm: Arm, seed: int) -> tuple[int, ...]:
        """Return the seeds that choose an arm's settings for this one."""
        groups = tuned_with(arm, self.settings.seeds)
        return groups[0] if len(groups) == 1 else next(group for group in groups if seed in group)

    def chosen(self, arm: Arm, seed: int) -> tuple[Arm, list[dict[str, Any]]]:
        """Return the configuration that trials choose for a seed, and what was tried.

        Raises:
            HeadstartError: trials cannot be made, or all fail.
        """
        trials = self.trials[arm.name]
        return best_trial(trials, [self.score(arm, one) for one in self.group(arm, seed)] if len(trials) > 1 else [])

    def score(self, arm: Arm, seed: int) -> Scored:
        """Score an arm's trials with one seed, unless they are scored.

        Raises:
            StartError: the start that all trials share cannot be trained.
        """
        self._score(arm, seed)
        return self.scored[arm.name, seed]

    def _score(self, arm: Arm, seed: int, *is_late: Callable[[], bool]) -> None:
        if (arm.name, seed) not in self.scored:
            trials, pipeline = self.trials[arm.name], self.pipeline(seed)
            self.scored[arm.name, seed] = score_trials(trials, pipeline, self.progress, *is_late)

    def _seed(self, arm: Arm, tuning: Sequence[Mapping[str, Any]], seed: int) -> None:
        """Run one seed, unless its record and its last node are there."""
        pipeline = self.pipeline(seed)
        key = self._leaf_key(arm, pipeline)
        done = self.folder.records.get(arm.name, seed)
        told = done is not None and done["key"] == key and done["tuning"] == list(tuning)
        kept = told and self.folder.store.has(key)
        if done is None or not kept:
            done = self._record(pipeline, arm, tuning)
            self.folder.records.put(done)
        if (arm.name, seed) not in self.told:
            self._finish(arm, seed, done["metrics"], kept=kept)

    def tell(self, arm: Arm, seed: int) -> None:
        """Tell of a run that is in the store, before its turn.

        Raises:
            HeadstartError: it is not.
        """
        pipeline, chosen = self.pipeline(seed), self.chosen(arm, seed)[0]
        facts = self.folder.store.facts(self._leaf_key(chosen, pipeline))
        self._finish(arm, seed, summary(facts, pipeline.federation, self.settings.decision.metric))
        self.told.add((arm.name, seed))

    def _finish(self, arm: Arm, seed: int, metrics: Mapping[str, float | None], *, kept: bool = False) -> None:
        mean = metrics.get(f"client_{self.settings.decision.metric}")
        shown = "no test data" if mean is None else f"{mean:.3f}"
        self.progress.finish(f"{arm.name}, seed {seed}: {shown}{'  (kept)' if kept else ''}")

    def _leaf_key(self, arm: Arm, pipeline: Pipeline) -> str:
        return pipeline.leaf_key(pipeline.trunk_key(arm), arm.adapt, pipeline.final_views)

    def _record(self, pipeline: Pipeline, arm: Arm, tuning: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        trunk = pipeline.trunk(arm)
        leaf = pipeline.leaf(trunk, arm.adapt, pipeline.final_views)
        return record(
            arm=arm,
            pipeline=pipeline,
            trunk=trunk,
            leaf=leaf,
            costs=self.costs[arm.name],
            tuning=tuning,
            hashes=self.hashes,
            seconds=self._seconds(trunk, leaf),
            runs=num_runs(arm, len(self.trials[arm.name]), pipeline.seed, self.settings.seeds),
        )

    def _seconds(self, trunk: Trunk, leaf: Node) -> float:
        """Return what computing this run took, on whichever day its parts were computed."""
        stages = [self.folder.store.facts(key) for key in trunk.keys]
        return float(sum(facts["seconds"] for facts in [*stages, leaf.facts]))


def _result(arm: Arm, views: Sequence[str], pipeline: Pipeline) -> object:
    return pipeline.result(arm, views)
