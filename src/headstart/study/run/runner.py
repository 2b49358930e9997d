"""Running a study's arms: each is tuned, run for every seed, recorded; finished runs are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headstart.core.errors import ClientError, HeadstartError, StartError
from headstart.core.progress import Progress
from headstart.core.span import is_wide, unscaled
from headstart.costs.arm import ArmCosts
from headstart.study.lab import Lab
from headstart.study.run.folder import RunFolder
from headstart.study.run.nodes import Node
from headstart.study.run.pipeline import FINAL_VIEWS, Pipeline, pipeline_of
from headstart.study.run.records import record
from headstart.study.run.trials import best_trial
from headstart.study.run.trunk import Trunk
from headstart.study.run.tuning import tuned_with
from headstart.study.written.arms import Arm
from headstart.study.written.schema import StudySettings


@dataclass(frozen=True, kw_only=True)
class Runner:
    """Runs arms of one study into its folder.

    Attributes:
        settings: the study's tables.
        lab: data, network, engine.
        trials: the configurations of every arm, by its name.
        costs: of every arm, by its name.
        hashes: what every record carries.
        folder: where results go.
        progress: told what happens.
    """

    settings: StudySettings
    lab: Lab
    trials: Mapping[str, Sequence[Arm]]
    costs: Mapping[str, ArmCosts]
    hashes: Mapping[str, str]
    folder: RunFolder
    progress: Progress

    def pipeline(self, seed: int) -> Pipeline:
        """Return what runs arms for one seed."""
        return pipeline_of(self.settings, self.lab, self.folder.store, seed, self.progress.tell)

    def run(self, arms: Sequence[Arm], seeds: Sequence[int]) -> dict[str, str]:
        """Run arms; one that must stop does not end the others.

        Returns:
            The arms that had to stop, with the reason.
        """
        self.progress.plan(sum(self._num_trials(arm, seeds) for arm in arms) + len(arms) * len(seeds))
        stopped = {}
        for arm in arms:
            try:
                self._arm(arm, seeds)
            except StartError as error:
                stopped[arm.name] = f"its start cannot be trained: {error}"
                self.progress.finish(f"{arm.name}: ruled out: {stopped[arm.name]}")
            except HeadstartError as error:
                stopped[arm.name] = f"stopped: {error}{self._likelier(error)}"
                self.progress.finish(f"{arm.name}: {stopped[arm.name]}")
        return stopped

    def _likelier(self, error: HeadstartError) -> str:
        """Return a cause that is likelier than the one which clients' failures name, if there is one."""
        is_likelier = isinstance(error, ClientError) and is_wide(self.lab.span)
        return f"; likeliest cause: {unscaled(self.lab.span)}" if is_likelier else ""

    def _num_trials(self, arm: Arm, seeds: Sequence[int]) -> int:
        """Return how many runs choose an arm's settings, all seeds together."""
        count = len(self.trials[arm.name])
        return sum(count * len(group) for group, _ in self._groups(arm, seeds)) if count > 1 else 0

    def _groups(self, arm: Arm, seeds: Sequence[int]) -> list[tuple[Sequence[int], Sequence[int]]]:
        """Return which seeds choose settings, and for which of the seeds to run."""
        groups = tuned_with(arm, self.settings.seeds)
        if len(groups) == 1:
            return [(groups[0], seeds)]
        return [(group, group) for group in groups if group[0] in seeds]

    def _arm(self, arm: Arm, seeds: Sequence[int]) -> None:
        for group, own in self._groups(arm, seeds):
            pipelines = [self.pipeline(seed) for seed in group]
            chosen, tuning = best_trial(self.trials[arm.name], pipelines, self.progress)
            for seed in own:
                self._seed(chosen, seed, tuning)

    def _seed(self, arm: Arm, seed: int, tuning: Sequence[Mapping[str, Any]]) -> None:
        """Run one seed, unless its record and its last node are there."""
        pipeline = self.pipeline(seed)
        key = pipeline.leaf_key(pipeline.trunk_key(arm), arm.adapt, FINAL_VIEWS)
        done = self.folder.records.get(arm.name, seed)
        told = done is not None and done["key"] == key and done["tuning"] == list(tuning)
        kept = told and self.folder.store.has(key)
        if done is None or not kept:
            done = self._record(pipeline, arm, tuning)
            self.folder.records.put(done)
        mean = done["metrics"].get(f"client_{self.settings.decision.metric}")
        shown = "no test data" if mean is None else f"{mean:.3f}"
        self.progress.finish(f"{arm.name}, seed {seed}: {shown}{'  (kept)' if kept else ''}")

    def _record(self, pipeline: Pipeline, arm: Arm, tuning: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        trunk = pipeline.trunk(arm)
        leaf = pipeline.leaf(trunk, arm.adapt, FINAL_VIEWS)
        return record(
            arm=arm,
            pipeline=pipeline,
            trunk=trunk,
            leaf=leaf,
            costs=self.costs[arm.name],
            tuning=tuning,
            hashes=self.hashes,
            seconds=self._seconds(trunk, leaf),
        )

    def _seconds(self, trunk: Trunk, leaf: Node) -> float:
        """Return what computing this run took, on whichever day its parts were computed."""
        stages = [self.folder.store.facts(key) for key in trunk.keys]
        return float(sum(facts["seconds"] for facts in [*stages, leaf.facts]))
