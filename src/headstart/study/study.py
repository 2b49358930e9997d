"""Running a study: every arm is tuned, run for every seed, recorded; then comes the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headstart.core.errors import HeadstartError, SettingError
from headstart.core.files import read_json, remove_leftovers, write_json, write_text
from headstart.core.machine import threads
from headstart.core.progress import Progress, Silent
from headstart.costs.arm import ArmCosts
from headstart.costs.on_device import on_device
from headstart.diagnosis import Diagnosis
from headstart.evidence.decision import check_decision
from headstart.evidence.metrics import LOWER_IS_BETTER
from headstart.evidence.verdict import Verdict
from headstart.study.checks import check_plan, check_results, check_selection
from headstart.study.diagnosis import diagnose_lab
from headstart.study.judge import judge
from headstart.study.lab import Lab
from headstart.study.lock import only_one
from headstart.study.plan import Plan
from headstart.study.run.nodes import Node, NodeStore
from headstart.study.run.pipeline import Pipeline, Trunk
from headstart.study.run.pruning import Pruned, Pruner, Watch, scores_of
from headstart.study.run.records import Records, client_rows, record, to_array, write_clients
from headstart.study.written.arms import ArmSpec

FINAL_VIEWS = ("val", "test", "global_test")
TRIAL_VIEWS = ("val",)
"""Trials never see a test example."""


@dataclass(frozen=True)
class Outcome:
    """What a study came to: the verdict, and arms that had to stop."""

    verdict: Verdict
    stopped: Mapping[str, str]


def run_study(
    plan: Plan,
    out: Path,
    *,
    only_arms: Sequence[str] | None = None,
    only_seeds: Sequence[int] | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Run what is not finished yet, and judge.

    Args:
        plan: the study; its arms are gated by its devices here.
        out: run folder.
        only_arms: run only these arms; None runs all.
        only_seeds: run only these seeds; None runs all.
        progress: told what happens.

    Raises:
        SettingError: no verdict can come of it, or the folder is in use.
        DataError: the folder belongs to a study with another decision rule.
        ClientError: every arm had to stop.
    """
    progress = progress or Silent()
    progress.tell("costs of the arms")
    load_costs(plan, out / "costs.json")
    plan = plan.gated()
    check_plan(plan)
    check_selection(plan, only_arms, only_seeds)
    with only_one(out), threads(plan.num_threads):
        run = _Run(plan, out, progress)
        run.prepare()
        arms = [arm for arm in plan.arms if only_arms is None or arm.name in only_arms]
        seeds = [seed for seed in plan.settings.seeds if only_seeds is None or seed in only_seeds]
        if not (out / "diagnosis.json").exists():
            run.diagnose()
        stopped = run.arms(arms, seeds)
        check_results(run.records.all(), stopped)
        return Outcome(run.judge(stopped), stopped)


def diagnose_study(plan: Plan, out: Path, progress: Progress) -> Diagnosis:
    """Diagnose a study's data, write ``diagnosis.json``, run no arm."""
    with only_one(out), threads(plan.num_threads):
        return _Run(plan, out, progress).diagnose()


class _Run:
    """One study in one folder."""

    def __init__(self, plan: Plan, out: Path, progress: Progress) -> None:
        self.plan, self.out, self.progress = plan, out, progress
        self.store, self.records = NodeStore(out), Records(out / "records.jsonl")

    def prepare(self) -> None:
        """Check the folder against the study, then write the study file into it."""
        check_decision(self.records.all(), self.plan.hashes["decision"])
        remove_leftovers(self.out)
        facts = {**federation_facts(self.plan.lab), "study": self.plan.hashes["study"]}
        if read_json(self.out / "federation.json") != facts:
            self.records.keep_only([])
            (self.out / "diagnosis.json").unlink(missing_ok=True)
        self.records.keep_only([key for arm in self.plan.arms for key in self._records_of(arm)])
        write_text(self.out / "study.toml", self.plan.text)
        write_json(self.out / "federation.json", facts)

    def _records_of(self, arm: ArmSpec) -> list[tuple[str, int]]:
        """Return the arm's records that were made with the settings it has now."""
        settings = [trial.as_json() for trial in self.plan.trials(arm)]
        lines = [self.records.get(arm.name, seed) for seed in self.plan.settings.seeds]
        return [(arm.name, line["seed"]) for line in lines if line and line["settings"] in settings]

    def diagnose(self) -> Diagnosis:
        """Look at the data before any arm runs."""
        self.progress.tell("diagnosis")
        pipeline = self.plan.pipeline(self.store, self.plan.settings.seeds[0], self.progress)
        found = diagnose_lab(self.plan.lab, pipeline, self.plan.arms)
        write_json(self.out / "diagnosis.json", found.as_json())
        return found

    def arms(self, arms: Sequence[ArmSpec], seeds: Sequence[int]) -> dict[str, str]:
        """Run arms; one that must stop does not end the others."""
        counts = [len(self.plan.trials(arm)) for arm in arms]
        self.progress.plan(sum(count if count > 1 else 0 for count in counts) + len(arms) * len(seeds))
        stopped = {}
        for arm in arms:
            try:
                self._arm(arm, seeds)
            except HeadstartError as error:
                stopped[arm.name] = f"stopped: {error}"
                self.progress.finish(f"{arm.name}: stopped: {error}")
        return stopped

    def _arm(self, arm: ArmSpec, seeds: Sequence[int]) -> None:
        chosen, tuning = self.tune(arm)
        for seed in seeds:
            self._seed(chosen, seed, tuning)

    def tune(self, arm: ArmSpec) -> tuple[ArmSpec, list[dict[str, Any]]]:
        """Return the configuration with the best validation score, and all that were tried."""
        trials = self.plan.trials(arm)
        if len(trials) == 1:
            return arm, []
        pipeline = self.plan.pipeline(self.store, self.plan.settings.seeds[0], self.progress)
        pruner = Pruner()
        scores = [self._trial(pipeline, trial, number, pruner.begin()) for number, trial in enumerate(trials)]
        best = int(np.argmax([-np.inf if score is None else score for score in scores]))
        if scores[best] is None:
            raise SettingError(f"arms.{arm.name}: every one of {len(trials)} tuning trials failed; lower client_lr")
        table = [
            {"trial": number, "values": changes(arm, trial), "score": score, "chosen": number == best}
            for number, (trial, score) in enumerate(zip(trials, scores, strict=True))
        ]
        return trials[best], table

    def _trial(self, pipeline: Pipeline, arm: ArmSpec, number: int, watch: Watch) -> float | None:
        """Score one configuration on validation data; None if it failed, or was ended early."""
        try:
            leaf = pipeline.result(arm, TRIAL_VIEWS, watch)
        except Pruned as stop:
            watch.end(stop.values, pruned=True)
            score, shown = None, str(stop)
        except HeadstartError:
            watch.end((), pruned=True)
            score, shown = None, "failed"
        else:
            watch.end(scores_of(leaf.facts, pipeline.federation, pipeline.metric))
            score = validation_score(leaf, pipeline)
            shown = "failed" if score is None else f"{abs(score):.3f} on validation"
        self.progress.finish(f"{arm.name}, trial {number}: {shown}")
        return score

    def _seed(self, arm: ArmSpec, seed: int, tuning: Sequence[Mapping[str, Any]]) -> None:
        pipeline = self.plan.pipeline(self.store, seed, self.progress)
        key = self._expected_key(pipeline, arm)
        done, kept = self.records.get(arm.name, seed), "  (kept)"
        if done is None or done["key"] != key or not self.store.has(key):
            done = self._record(pipeline, arm, key, tuning)
            self.records.put(done)
            kept = ""
        mean = done["metrics"].get(f"client_{self.plan.settings.decision.metric}")
        shown = "no test data" if mean is None else f"{mean:.3f}"
        self.progress.finish(f"{arm.name}, seed {seed}: {shown}{kept}")

    def _expected_key(self, pipeline: Pipeline, arm: ArmSpec) -> str:
        return pipeline.leaf_key(pipeline.trunk_key(arm), arm.adapt, FINAL_VIEWS)

    def _record(
        self, pipeline: Pipeline, arm: ArmSpec, key: str, tuning: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        trunk = pipeline.trunk(arm)
        leaf = pipeline.leaf(trunk, arm.adapt, FINAL_VIEWS)
        return record(
            arm,
            pipeline.seed,
            trunk,
            leaf,
            key,
            pipeline.federation,
            self.plan.costs[arm.name],
            metric=self.plan.settings.decision.metric,
            tuning=tuning,
            hashes=self.plan.hashes,
            seconds=self._seconds(trunk, leaf),
        )

    def _seconds(self, trunk: Trunk, leaf: Node) -> float:
        """Return what computing this run took, on whichever day its parts were computed."""
        stages = [self.store.facts(key) for key in trunk.keys]
        return float(sum(facts["seconds"] for facts in [*stages, leaf.facts]))

    def judge(self, stopped: Mapping[str, str]) -> Verdict:
        """Write the client table and the verdict."""
        lines = self.records.all()
        facts = [(line, self.store.facts(line["key"])) for line in lines]
        parts = [
            client_rows(line["arm"], line["seed"], self.plan.lab.federation, found["metrics"]) for line, found in facts
        ]
        write_clients(self.out / "clients.parquet", parts)
        verdict = judge(self.plan, parts, {**self.plan.ruled_out, **stopped}, self.out)
        self.store.prune({key for line in lines for key in line["nodes"]})
        keep_costs(self.plan, self.out / "costs.json")
        write_json(self.out / "devices.json", device_facts(self.plan))
        return verdict


def load_costs(plan: Plan, path: Path) -> None:
    """Take over costs that an earlier run of the study measured."""
    known = read_json(path) or {}
    plan.known_costs.update({key: ArmCosts(**values) for key, values in known.items()})


def keep_costs(plan: Plan, path: Path) -> None:
    """Keep the costs that were measured for the next run of the study."""
    write_json(path, {key: cost.as_json() for key, cost in plan.known_costs.items()})


def device_facts(plan: Plan) -> dict[str, dict[str, Any]]:
    """Model every arm on every device, arms that a device rules out too; oracles are for no device."""
    costs = {arm: cost for arm, cost in plan.costs.items() if arm not in plan.oracles}
    return {
        device.name: {arm: on_device(cost, device).as_json() for arm, cost in costs.items()} for device in plan.devices
    }


def changes(written: ArmSpec, tried: ArmSpec) -> dict[str, Any]:
    """Return the settings that a trial changed, by stage and name."""
    found = {}
    for (kind, path, before), (_, _, after) in zip(written.stages(), tried.stages(), strict=True):
        prefix = path.removeprefix(f"arms.{written.name}.")
        for name, value in after.settings.items():
            if before.settings.get(name) != value:
                found[f"{prefix or kind}.{name}"] = value
    return found


def validation_score(leaf: Node, pipeline: Pipeline) -> float | None:
    """Return the mean validation score over seen clients, larger is better."""
    values = to_array(leaf.facts["metrics"]["val"][pipeline.metric])
    seen = np.array([client.seen for client in pipeline.federation.clients])
    mean = float(np.nanmean(values[seen])) if np.isfinite(values[seen]).any() else None
    return -mean if mean is not None and pipeline.metric in LOWER_IS_BETTER else mean


def federation_facts(lab: Lab) -> dict[str, Any]:
    """Say what the data are: sizes, classes, clients, notes."""
    federation = lab.federation
    return {
        "clients": [
            {"id": c.id, "seen": c.seen, "train": len(c.train), "val": len(c.val), "test": len(c.test)}
            for c in federation.clients
        ],
        "classes": list(federation.examples.classes),
        "central": len(federation.central) if federation.central else 0,
        "notes": list(federation.notes),
        "key": federation.key,
    }
