"""What a run folder holds, what a second run does, what a changed study does to it."""

from __future__ import annotations

import math
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from headstart.core.content import hash_tree
from headstart.core.errors import ClientError, DataError, SettingError
from headstart.core.progress import Silent
from headstart.evidence.metrics import metrics_of
from headstart.models import weights
from headstart.study.lock import only_one
from headstart.study.run.pipeline import Pipeline
from study.watch import Watch
from tiny_study import (
    ARMS,
    CLASSES,
    FEDAVG,
    FINETUNE,
    keys,
    numbers,
    open_tiny,
    read_records,
    run_tiny,
    write_study,
    write_table,
)

ALL = [("fedavg", 0), ("fedavg", 1), ("fedavg-finetune", 0), ("fedavg-finetune", 1)]
LOCAL = 'start = "random"\nadapt = { method = "full_finetune", epochs = 2 }'


def test_a_record_says_all_of_its_run(finished: Path) -> None:
    lines = read_records(finished)
    assert keys(finished) == ALL
    fedavg, finetune = lines[0], lines[2]
    assert fedavg["settings"]["federate"] == [{"method": "fedavg", "rounds": 3, "client_lr": 0.2, "batch_size": 8}]
    assert (fedavg["tuning"], fedavg["excluded"], fedavg["accepted"]) == ([], [], None)
    assert 0 <= finetune["accepted"] <= 1
    assert {"client_balanced_accuracy", "pooled_accuracy", "worst_decile", "worst_client"} <= set(fedavg["metrics"])
    assert fedavg["metrics"]["unseen_client_accuracy"] is not None
    assert fedavg["timing"]["seconds"] > 0
    assert set(fedavg["versions"]) == {"headstart", "torch", "numpy", "device"}
    assert len({line["decision"] for line in lines}) == len({line["study"] for line in lines}) == 1


def test_a_curve_goes_from_round_0_to_the_last_and_counts_bytes(finished: Path) -> None:
    line = read_records(finished)[0]
    assert [point["round"] for point in line["curve"]] == [0, 1, 2, 3]
    sent = [point["bytes"] for point in line["curve"]]
    weights_and_bias = (5 * 3 + 3) * 4
    # Three seen clients, down and up, every round.
    assert sent == [2 * 3 * weights_and_bias * rounds for rounds in range(4)]
    assert sent[-1] == line["traffic"]["download"] + line["traffic"]["upload"]
    assert line["costs"]["upload_bytes"] == 3 * weights_and_bias
    assert all(point["val_loss"] > 0 and 0 <= point["val_accuracy"] <= 1 for point in line["curve"])


def test_the_client_table(finished: Path) -> None:
    table = parquet.read_table(finished / "clients.parquet")
    assert table.schema.equals(
        pa.schema(
            [
                ("arm", pa.string()),
                ("seed", pa.int64()),
                ("client", pa.string()),
                ("seen", pa.bool_()),
                ("split", pa.string()),
                ("metric", pa.string()),
                ("value", pa.float64()),
            ]
        )
    )
    rows = table.to_pylist()
    metrics = {*metrics_of("classification"), "num_examples"} - {"f1", "sensitivity_at_specificity"}
    assert {row["metric"] for row in rows} == metrics
    assert len(rows) == len(ALL) * 4 * 3 * len(metrics)  # runs, clients, views, metrics
    assert {row["split"] for row in rows} == {"val", "test", "global_test"}
    assert len({row["client"] for row in rows if not row["seen"]}) == 1
    names = ("arm", "seed", "client", "split", "metric")
    assert len({tuple(row[name] for name in names) for row in rows}) == len(rows)


@pytest.mark.parametrize(("seen", "name"), [(True, "client_accuracy"), (False, "unseen_client_accuracy")])
@pytest.mark.parametrize("position", range(len(ALL)))
def test_a_record_is_the_mean_of_its_clients(finished: Path, position: int, seen: bool, name: str) -> None:
    line = read_records(finished)[position]
    values = [
        row["value"]
        for row in parquet.read_table(finished / "clients.parquet").to_pylist()
        if (row["arm"], row["seed"], row["seen"]) == (line["arm"], line["seed"], seen)
        and (row["split"], row["metric"]) == ("test", "accuracy")
    ]
    assert line["metrics"][name] == pytest.approx(sum(values) / len(values))


def test_the_verdict(finished: Path) -> None:
    verdict = numbers(finished)["verdict"]
    names = [
        "recommended",
        "probability_best",
        "baseline",
        "effect",
        "interval",
        "ruled_out",
        "predicted",
        "prediction_held",
    ]
    assert set(names) <= set(verdict)
    assert verdict["recommended"] in ARMS
    assert verdict["baseline"] == "fedavg"
    assert math.isclose(sum(verdict["probability_best"].values()), 1, abs_tol=1e-9)
    # Two seeds show who is ahead, and claim nothing.
    assert (verdict["answer"], verdict["grounds"], verdict["interval"]) == (None, "no claim", None)
    assert verdict["leader"] in verdict["families"]
    assert verdict["ruled_out"] == {}


def test_weights_are_named_by_content_and_all_are_in_use(finished: Path) -> None:
    names = {file.name: hash_tree(weights.load(file)[0]) for file in (finished / "weights").iterdir()}
    kept = {name: content for name, content in names.items() if name.startswith("predictions-")}
    # A start and a FedAvg for each seed; adaptations keep predictions alone.
    assert len(names) - len(kept) == 2 + 2
    assert 1 <= len(kept) <= len(ALL)
    assert all(name.removeprefix("predictions-") == f"{content}.safetensors" for name, content in names.items())


def test_the_study_file_is_kept_as_run(tmp_path: Path) -> None:
    run_tiny(tmp_path)
    assert (tmp_path / "out" / "study.toml").read_text() == (tmp_path / "study.toml").read_text()
    assert numbers(tmp_path / "out")["federation"]["classes"] == list(CLASSES)


def test_a_second_run_computes_nothing_and_changes_nothing(tmp_path: Path, watch: Watch) -> None:
    run_tiny(tmp_path)
    assert watch.nodes == {"start": 2, "federate": 2, "adapt": 4}
    before = (tmp_path / "out" / "records.jsonl").read_bytes(), numbers(tmp_path / "out")
    watch.clear()
    run_tiny(tmp_path)
    assert (watch.nodes, watch.client_work) == ({}, 0)
    assert before == ((tmp_path / "out" / "records.jsonl").read_bytes(), numbers(tmp_path / "out"))


def test_selected_arms_and_seeds_first_then_the_rest(tmp_path: Path, watch: Watch) -> None:
    run_tiny(tmp_path, only_arms=["fedavg-finetune"], only_seeds=[1])
    assert keys(tmp_path / "out") == [("fedavg-finetune", 1)]
    run_tiny(tmp_path)
    assert sorted(keys(tmp_path / "out")) == ALL
    assert watch.nodes == {"start": 2, "federate": 2, "adapt": 4}


@pytest.mark.parametrize(
    ("arms", "seeds", "message"),
    [
        (["fedavgg"], None, "--arm.*'fedavgg'.*did you mean 'fedavg'"),
        (None, [7], "--seed.*received 7; valid: 0, 1"),
    ],
)
def test_an_unknown_arm_or_seed_writes_nothing(
    tmp_path: Path, arms: list[str] | None, seeds: list[int] | None, message: str
) -> None:
    with pytest.raises(SettingError, match=message):
        run_tiny(tmp_path, only_arms=arms, only_seeds=seeds)
    assert not (tmp_path / "out").exists()


def test_an_arm_that_differs_in_its_adaptation_computes_only_that(tmp_path: Path, watch: Watch) -> None:
    run_tiny(tmp_path)
    watch.clear()
    run_tiny(tmp_path, arms={**ARMS, "fedavg-probe": f'{FEDAVG}\nadapt = "linear_probe"'})
    assert watch.nodes == {"adapt": 2}


def test_another_seed_keeps_the_finished_ones(tmp_path: Path, watch: Watch) -> None:
    run_tiny(tmp_path)
    first = read_records(tmp_path / "out")
    watch.clear()
    run_tiny(tmp_path, seeds=[0, 1, 2])
    assert watch.nodes == {"start": 1, "federate": 1, "adapt": 2}
    assert [line for line in read_records(tmp_path / "out") if line["seed"] < 2] == first


def test_another_decision_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    run_tiny(tmp_path)
    before = {file: file.read_bytes() for file in (tmp_path / "out").rglob("*") if file.is_file()}
    with pytest.raises(DataError, match=r"\[decision\].*fixed before the runs.*new folder"):
        run_tiny(tmp_path, decision="min_effect = 0.2")
    assert before == {file: file.read_bytes() for file in (tmp_path / "out").rglob("*") if file.is_file()}


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    plan = open_tiny(tmp_path)
    with only_one(tmp_path / "out"), pytest.raises(SettingError, match="another process"):
        plan.run(tmp_path / "out")
    plan.run(tmp_path / "out")


def test_records_of_an_arm_that_left_the_study_go(tmp_path: Path) -> None:
    run_tiny(tmp_path)
    run_tiny(tmp_path, arms={"fedavg": FEDAVG})
    assert keys(tmp_path / "out") == ALL[:2]
    assert list(numbers(tmp_path / "out")["verdict"]["arms"]) == ["fedavg"]


def test_a_changed_setting_replaces_the_record(tmp_path: Path, watch: Watch) -> None:
    run_tiny(tmp_path)
    before = read_records(tmp_path / "out")
    watch.clear()
    run_tiny(tmp_path, arms={**ARMS, "fedavg-finetune": FINETUNE.replace("epochs = 2", "epochs = 4")})
    after = read_records(tmp_path / "out")
    assert watch.nodes == {"adapt": 2}
    assert keys(tmp_path / "out") == ALL
    assert after[:2] == before[:2]
    assert [line["settings"]["adapt"]["epochs"] for line in after[2:]] == [4, 4]


def test_a_stale_record_never_reaches_the_verdict(tmp_path: Path) -> None:
    run_tiny(tmp_path)
    changed = {**ARMS, "fedavg-finetune": FINETUNE.replace("epochs = 2", "epochs = 4")}
    run_tiny(tmp_path, arms=changed, only_arms=["fedavg"])
    assert keys(tmp_path / "out") == ALL[:2]


@pytest.mark.parametrize(
    "change", [{"data": 'where = { site = ["site-0", "site-1", "site-2"] }'}, {"data": "seed = 5"}]
)
def test_other_data_leave_nothing_of_the_old(tmp_path: Path, change: dict[str, str]) -> None:
    run_tiny(tmp_path)
    run_tiny(tmp_path, only_arms=["fedavg"], **change)
    assert keys(tmp_path / "out") == ALL[:2]
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    run_tiny(fresh, only_arms=["fedavg"], **change)
    assert numbers(tmp_path / "out") == numbers(fresh / "out")


def test_a_file_with_other_content_is_other_data(tmp_path: Path) -> None:
    run_tiny(tmp_path)
    write_table(tmp_path / "clients.csv", seed=1)
    run_tiny(tmp_path, only_arms=["fedavg"])
    assert keys(tmp_path / "out") == ALL[:2]


def test_a_stopped_arm_is_reported_and_the_others_finish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_where(monkeypatch, lambda arm: arm.adapt.method == "full_finetune")
    outcome = run_tiny(tmp_path)
    assert outcome.stopped == {"fedavg-finetune": "stopped: too many bad clients"}
    assert outcome.verdict.recommended == "fedavg"
    assert numbers(tmp_path / "out")["verdict"]["ruled_out"] == outcome.stopped
    assert keys(tmp_path / "out") == ALL[:2]


def test_when_every_arm_stops_the_reasons_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_where(monkeypatch, lambda arm: True)
    with pytest.raises(ClientError, match="no verdict\nfedavg: stopped: too many bad clients\nfedavg-finetune"):
        run_tiny(tmp_path)


def fault_where(monkeypatch: pytest.MonkeyPatch, stops: object) -> None:
    """Let memory run out in the arms for which ``stops`` holds."""
    trunk = Pipeline.trunk

    def faulty(pipeline: Pipeline, arm: object) -> object:
        if stops(arm):  # type: ignore[operator]
            raise MemoryError
        return trunk(pipeline, arm)  # type: ignore[arg-type]

    monkeypatch.setattr(Pipeline, "trunk", faulty)


def test_a_fault_of_the_engine_is_said_and_the_same_command_goes_on(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        fault_where(patch, lambda arm: arm.adapt.method == "full_finetune")
        outcome = run_tiny(tmp_path)
    reason = outcome.stopped["fedavg-finetune"]
    assert reason.startswith("stopped: the engine failed: memory ran out (MemoryError); lower batch_size")
    assert reason.endswith("the same command tries it again")
    assert "client_lr" not in reason
    assert keys(tmp_path / "out") == ALL[:2]
    assert outcome.verdict.cautions[0] == (
        "The engine failed before these arms were run in full: fedavg-finetune. The answer is among those that were."
    )
    # What did not run is no evidence: the other family is not the only one because of it.
    assert outcome.verdict.answer.grounds != "only"
    assert run_tiny(tmp_path).stopped == {}
    assert keys(tmp_path / "out") == ALL


def test_a_fault_of_the_engine_ends_the_trials_of_an_arm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration is to blame, and none is chosen because another found no memory."""
    fault_where(monkeypatch, lambda arm: arm.federate and arm.federate[0].settings["client_lr"] > 0.2)
    outcome = run_tiny(tmp_path, more="[tuning]\ntrials = 4", arms={"fedavg": FEDAVG, "local": LOCAL})
    assert "the engine failed: memory ran out" in outcome.stopped["fedavg"]
    assert {line["arm"] for line in read_records(tmp_path / "out")} == {"local"}


def test_when_the_engine_stops_every_arm_the_reasons_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fault_where(monkeypatch, lambda arm: True)
    with pytest.raises(ClientError, match="no verdict\nfedavg: stopped: the engine failed: memory ran out"):
        run_tiny(tmp_path)


def test_workers_that_may_not_be_cloned_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.accelerator.is_available", lambda: True)
    told: list[str] = []
    progress = Silent()
    monkeypatch.setattr(progress, "warn", told.append)
    open_tiny(tmp_path, more='[engine]\nway = "workers"\ndevice = "cpu"').run(tmp_path / "out", progress=progress)
    (line,) = [line for line in told if line.startswith("engine.way")]
    assert "PyTorch sees a card" in line


def stop_where(monkeypatch: pytest.MonkeyPatch, stops: object) -> None:
    """Let the arms for which ``stops`` holds raise an error."""
    trunk = Pipeline.trunk

    def stopping(pipeline: Pipeline, arm: object) -> object:
        if stops(arm):  # type: ignore[operator]
            raise ClientError("too many bad clients")
        return trunk(pipeline, arm)  # type: ignore[arg-type]

    monkeypatch.setattr(Pipeline, "trunk", stopping)


def test_arms_ruled_out_by_a_device_are_named_and_not_run(tmp_path: Path, watch: Watch) -> None:
    outcome = run_tiny(tmp_path, arms={**ARMS, "local": LOCAL}, more='[devices.clinic]\nuplink = "none"', decision="")
    assert watch.nodes["federate"] == 0
    assert outcome.verdict.recommended == "local"
    assert set(outcome.verdict.ruled_out) == set(ARMS)
    assert all("no uplink" in reason for reason in outcome.verdict.ruled_out.values())
    with pytest.raises(SettingError, match=r"--arm: 'fedavg' is ruled out: .*no uplink"):
        run_tiny(
            tmp_path,
            arms={**ARMS, "local": LOCAL},
            more='[devices.clinic]\nuplink = "none"',
            only_arms=["fedavg"],
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"more": '[devices.clinic]\nuplink = "none"'}, "arms: every arm is ruled out .*change .devices."),
        (
            {"data": "split = { train = 0.8, val = 0.2, test = 0.0 }"},
            "data.split.test: .*received 0 .*above 0",
        ),
        (
            {"data": "split = { train = 0.8, val = 0.0, test = 0.2 }", "more": "[tuning]\ntrials = 3"},
            "tuning.trials: .*received 3 trials .*data.split.val above 0, or trials = 1",
        ),
    ],
)
def test_a_study_without_a_verdict_is_refused_before_it_runs(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(SettingError, match=message):
        run_tiny(tmp_path, **changes)
    assert not (tmp_path / "out").exists()


def test_without_the_baseline_there_is_still_a_verdict(tmp_path: Path) -> None:
    outcome = run_tiny(tmp_path, only_arms=["fedavg-finetune"])
    assert outcome.verdict.recommended == "fedavg-finetune"
    assert outcome.verdict.effect is None


def test_a_missing_weights_file_is_computed_again(tmp_path: Path, watch: Watch) -> None:
    run_tiny(tmp_path)
    before = numbers(tmp_path / "out")
    for file in (tmp_path / "out" / "weights").iterdir():
        if not file.name.startswith("predictions-"):
            file.unlink()
    (tmp_path / "out" / "records.jsonl").unlink()
    watch.clear()
    run_tiny(tmp_path)
    assert watch.nodes == {"start": 2, "federate": 2}
    assert numbers(tmp_path / "out") == before


def test_progress_says_what_is_kept(tmp_path: Path) -> None:
    study, first, second = open_tiny(tmp_path), Said(), Said()
    study.run(tmp_path / "out", progress=first)
    study.run(tmp_path / "out", progress=second)
    assert first.runs == second.runs == len(first.finished) == 4
    assert first.finished[0].startswith("fedavg, seed 0: 0.")
    assert second.finished == [f"{line}  (kept)" for line in first.finished]


class Said(Silent):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.runs = 0
        self.finished: list[str] = []

    def plan(self, runs: int) -> None:
        self.runs = runs

    def finish(self, text: str) -> None:
        self.finished.append(text)


def test_paths_are_relative_to_the_study_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    write_study(tmp_path)
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert len(open_tiny(tmp_path).lab.federation.clients) == 4
