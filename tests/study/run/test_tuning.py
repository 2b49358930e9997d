"""Trials: as many for every arm, on validation data only, shared where arms share stages."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from headstart.core.errors import ClientError
from headstart.data.examples import Examples
from headstart.data.federation import Client, Federation
from headstart.study.run.pipeline import Pipeline
from headstart.study.run.tuning import draw, is_tunable, num_trials, ranges, trial_arms, trial_stages
from headstart.study.study import Study
from headstart.study.written.arms import Arm, Stage
from study.watch import Watch
from tiny_study import ARMS, FEDAVG, numbers, open_tiny, read_records, run_tiny

LOCAL = 'start = "random"\nadapt = { method = "full_finetune", epochs = 1 }'
TRIALS = "[tuning]\ntrials = 4"
SETTINGS = {"rounds": 3, "client_lr": 0.2}
AVERAGE = Arm("fedavg", Stage("start", "random"), (Stage("federate", "fedavg", SETTINGS),))
TUNED = dataclasses.replace(AVERAGE, name="both", adapt=Stage("adapt", "full_finetune", {"epochs": 8}))
FIXED = Arm("zero-shot", Stage("start", "random"))


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished tuned study; to be read, not written."""
    folder = tmp_path_factory.mktemp("tuned")
    run_tiny(folder, more=TRIALS, arms={**ARMS, "zero-shot": 'start = "random"'})
    return folder / "out"


@pytest.mark.parametrize("arm", [AVERAGE, TUNED])
def test_trial_0_is_the_arm_as_written(arm: Arm) -> None:
    trials = trial_arms(arm, 5, 0)
    assert len(trials) == 5
    assert trials[0] == arm
    assert len({json.dumps(trial.as_json()) for trial in trials}) == 5


def test_one_trial_or_nothing_to_tune_is_the_arm_alone() -> None:
    assert trial_arms(AVERAGE, 1, 0) == [AVERAGE]
    assert not is_tunable(FIXED)
    assert trial_arms(FIXED, 5, 0) == [FIXED]


def test_what_is_no_hyper_parameter_of_training_stays() -> None:
    trials = trial_arms(TUNED, 8, 0)
    assert [trial.start for trial in trials] == [TUNED.start] * 8
    assert {trial.federate[0].settings["rounds"] for trial in trials} == {3}
    assert {(trial.federate[0].method, trial.adapt.method) for trial in trials} == {("fedavg", "full_finetune")}


def test_values_lie_around_the_written_ones() -> None:
    epochs = [trial.adapt.settings["epochs"] for trial in trial_arms(TUNED, 30, 0)]
    rates = [trial.federate[0].settings["client_lr"] for trial in trial_arms(TUNED, 30, 0)]
    assert min(epochs) >= 2
    assert max(epochs) <= 32
    assert all(isinstance(value, int) for value in epochs)
    assert min(rates) < 0.2 / 2 < 0.2 * 2 < max(rates)


def test_arms_that_share_a_stage_share_its_trials() -> None:
    pairs = zip(trial_arms(AVERAGE, 6, 0), trial_arms(TUNED, 6, 0), strict=True)
    assert all(one.federate == two.federate for one, two in pairs)


def test_more_trials_begin_with_the_fewer_and_another_seed_draws_others() -> None:
    assert trial_arms(TUNED, 8, 0)[:3] == trial_arms(TUNED, 3, 0)
    assert trial_arms(TUNED, 3, 0)[1:] != trial_arms(TUNED, 3, 1)[1:]


def test_a_stage_without_ranges_repeats() -> None:
    keep = Stage("adapt", "keep")
    assert trial_stages(keep, 3, 0) == [keep] * 3


def test_draws_cover_the_range_evenly() -> None:
    found = ranges(Stage("adapt", "full_finetune", {"epochs": 8}))
    logs = np.log([point["epochs"] for point in draw({"epochs": found["epochs"]}, 32, 0)])
    halves = (logs < np.log(8)).mean()
    assert 0.3 < halves < 0.7


def test_every_tunable_arm_gets_the_same_number(tuned: Path) -> None:
    lines = read_records(tuned)
    tried = [[trial["trial"] for trial in line["tuning"]] for line in lines]
    assert tried == [[] if line["arm"] == "zero-shot" else [0, 1, 2, 3] for line in lines]


def test_the_best_on_validation_is_run_and_a_tie_goes_to_the_earlier(tuned: Path, tmp_path: Path) -> None:
    arms = {arm.name: arm for arm in open_tiny(tmp_path).slate.arms}
    for line in (line for line in read_records(tuned) if line["arm"] in arms):
        scores = [trial["score"] for trial in line["tuning"]]
        best = scores.index(max(scores))
        assert [trial["chosen"] for trial in line["tuning"]] == [number == best for number in range(4)]
        assert line["tuning"][0]["values"] == {}
        assert line["settings"] == trial_arms(arms[line["arm"]], 4, 0)[best].as_json()


def test_a_metric_where_less_is_better_is_minimised(tmp_path: Path) -> None:
    run_tiny(tmp_path, more=TRIALS, decision='metric = "log_loss"')
    tuning = read_records(tmp_path / "out")[0]["tuning"]
    assert all(trial["score"] < 0 for trial in tuning)
    assert [t["chosen"] for t in tuning].index(True) == int(np.argmax([t["score"] for t in tuning]))


def test_trials_never_see_a_test_example(tuned: Path, tmp_path: Path) -> None:
    """Wrong labels on every test example change no trial's score and no choice."""
    plan = open_tiny(tmp_path, more=TRIALS)
    federation = plan.lab.federation
    labels = federation.examples.labels.copy()
    tests = np.concatenate([client.test for client in federation.clients])
    labels[tests] = (labels[tests] + 1) % federation.num_classes
    poisoned = dataclasses.replace(federation, examples=dataclasses.replace(federation.examples, labels=labels))
    lab = dataclasses.replace(plan.lab, federation=poisoned)
    Study.open(plan.file, lab=lab).run(tmp_path / "poisoned")
    wrong = read_records(tmp_path / "poisoned")
    honest = [line for line in read_records(tuned) if line["arm"] in ARMS]
    assert [line["tuning"] for line in honest] == [line["tuning"] for line in wrong]
    assert [line["settings"] for line in honest] == [line["settings"] for line in wrong]
    # The poison did reach the test scores.
    assert all(a["metrics"] != b["metrics"] for a, b in zip(honest, wrong, strict=True))


def test_a_trial_leaves_validation_scores_alone(tuned: Path) -> None:
    leaves = [json.loads(file.read_text()) for file in (tuned / "nodes").iterdir()]
    views = [set(leaf["metrics"]) for leaf in leaves if leaf["kind"] == "adapt"]
    assert views.count({"val"}) == 2 * 4 * 2
    assert views.count({"val", "test", "global_test"}) == 3 * 2


def test_trials_of_a_deep_arm_use_the_first_two_seeds_and_share_stages(tmp_path: Path, watch: Watch) -> None:
    run_tiny(tmp_path, seeds=(0, 1, 2), more=TRIALS, only_arms=["fedavg"])
    # Four trials with two seeds; the chosen one again with the third.
    assert watch.nodes == {"start": 3, "federate": 4 * 2 + 1, "adapt": 4 * 2 + 3}
    watch.clear()
    run_tiny(tmp_path, seeds=(0, 1, 2), more=TRIALS, only_seeds=[0])
    assert watch.nodes["start"] == 0
    # Trials that were not chosen left no weights, so their shared stages are computed again: three a seed at most.
    assert watch.nodes["federate"] <= 3 * 2


HEAD = 'start = "random"\nadapt = { method = "linear_probe", epochs = 2, client_lr = 0.05 }'


def test_a_head_is_tuned_with_each_seed_for_itself(tmp_path: Path) -> None:
    changes: dict = {"seeds": (0, 1, 2), "more": TRIALS, "arms": {"fedavg": FEDAVG, "head": HEAD}}
    run_tiny(tmp_path, **changes)
    lines = [line for line in read_records(tmp_path / "out") if line["arm"] == "head"]
    scores = {line["seed"]: [trial["score"] for trial in line["tuning"]] for line in lines}
    assert len({tuple(found) for found in scores.values()}) == 3, "scores of one seed went to another"
    for line in lines:
        found = [-1.0 if score is None else score for score in scores[line["seed"]]]
        best = found.index(max(found))
        values = line["tuning"][best]["values"]
        assert line["tuning"][best]["chosen"]
        assert all(line["settings"]["adapt"][name.removeprefix("adapt.")] == value for name, value in values.items())
    study = open_tiny(tmp_path, **changes)
    assert study.outdated(study.plan(tmp_path / "out"), tmp_path / "out") == ()


def test_progress_counts_every_trial(tmp_path: Path) -> None:
    told = Told()
    study = open_tiny(tmp_path, seeds=(0, 1, 2), more=TRIALS, arms={"fedavg": FEDAVG, "head": HEAD})
    study.run(tmp_path / "out", progress=told)
    # Four trials with two seeds of the deep arm, with three of the head, and three runs of each.
    assert told.planned == told.finished == 4 * 2 + 4 * 3 + 3 * 2


@pytest.mark.parametrize(("val", "expected"), [(1, 4), (0, 1)])
def test_four_are_tried_where_something_can_choose(val: int, expected: int) -> None:
    rows = np.arange(4)
    client = Client("a", rows[:2], rows[2 : 2 + val], rows[3:])
    examples = Examples("table", np.zeros((4, 1), np.float32), np.array([0, 1, 0, 1]), list("abcd"), ("x", "y"), ("c",))
    assert num_trials(None, Federation(examples, [client])) == expected
    assert num_trials(3, Federation(examples, [client])) == 3


class Told:
    """Counts what was planned and what was finished."""

    planned = finished = 0

    def plan(self, runs: int) -> None:
        self.planned += runs

    def finish(self, text: str) -> None:
        self.finished += 1

    def tell(self, text: str) -> None: ...

    def stand(self, text: str) -> None: ...

    def warn(self, text: str) -> None: ...

    def count(self, what: str, done: int, total: int) -> None: ...


def test_a_second_run_repeats_no_trial(tmp_path: Path, watch: Watch) -> None:
    run_tiny(tmp_path, more=TRIALS)
    assert watch.nodes["federate"] <= 4 * 2
    before = numbers(tmp_path / "out")
    watch.clear()
    run_tiny(tmp_path, more=TRIALS)
    assert (watch.nodes, watch.client_work) == ({}, 0)
    assert numbers(tmp_path / "out") == before


def test_weights_of_trials_not_chosen_go(tuned: Path) -> None:
    used = {key for line in read_records(tuned) for key in line["nodes"]}
    nodes = {file.stem: json.loads(file.read_text()) for file in (tuned / "nodes").iterdir()}
    wanted = {node["weights"] for key, node in nodes.items() if key in used} - {None}
    assert {file.stem for file in (tuned / "weights").iterdir()} == wanted


def fail_above(monkeypatch: pytest.MonkeyPatch, limit: float) -> None:
    """Let every arm fail whose federated stage has a client_lr above a limit."""
    trunk = Pipeline.trunk

    def failing(pipeline: Pipeline, arm: Arm) -> object:
        if arm.federate and arm.federate[0].settings["client_lr"] > limit:
            raise ClientError("all clients diverged")
        return trunk(pipeline, arm)

    monkeypatch.setattr(Pipeline, "trunk", failing)


def test_failing_trials_are_survived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_above(monkeypatch, 0.2)
    outcome = run_tiny(tmp_path, more=TRIALS)
    assert outcome.stopped == {}
    for line in read_records(tmp_path / "out"):
        rates = [trial["values"].get("federate.client_lr", 0.2) for trial in line["tuning"]]
        assert [trial["score"] is None for trial in line["tuning"]] == [rate > 0.2 for rate in rates]
        assert max(rates) > 0.2
        assert line["settings"]["federate"][0]["client_lr"] <= 0.2


def test_when_all_trials_fail_the_arm_stops_with_a_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_above(monkeypatch, 0.0)
    outcome = run_tiny(tmp_path, more=TRIALS, arms={"fedavg": FEDAVG, "local": LOCAL})
    assert list(outcome.stopped) == ["fedavg"]
    assert "every one of 4 tuning trials failed" in outcome.stopped["fedavg"]
    assert outcome.verdict.recommended == "local"
