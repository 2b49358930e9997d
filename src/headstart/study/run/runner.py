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
from headstart.study.run.pipeline import FINAL_VIEWS, Pipeline, Trunk, pipeline_of
from headstart.study.run.records import record
from headstart.study.run.trials import best_trial
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
        counts = [len(self.trials[arm.name]) for arm in arms]
        self.progress.plan(sum(count if count > 1 else 0 for count in counts) + len(arms) * len(seeds))
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

    def _arm(self, arm: Arm, seeds: Sequence[int]) -> None:
        chosen, tuning = best_trial(self.trials[arm.name], self.pipeline(self.settings.seeds[0]), self.progress)
        for seed in seeds:
            self._seed(chosen, seed, tuning)

    def _seed(self, arm: Arm, seed: int, tuning: Sequence[Mapping[str, Any]]) -> None:
        """Run one seed, unless its record and its last node are there."""
        pipeline = self.pipeline(seed)
        key = pipeline.leaf_key(pipeline.trunk_key(arm), arm.adapt, FINAL_VIEWS)
        done = self.folder.records.get(arm.name, seed)
        kept = done is not None and done["key"] == key and self.folder.store.has(key)
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
