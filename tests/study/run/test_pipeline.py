"""The same numbers whatever the order, the threads, the engine; bad clients are named."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from headstart.core.progress import Silent
from headstart.data.federation import Federation
from headstart.engine.ways.serial import Serial
from headstart.federate.fedavg import FedAvg
from headstart.study.study import Study
from tiny_study import FEDAVG, FINETUNE, close, numbers, open_tiny, read_records, run_tiny

SLATE = {
    "fedavg": FEDAVG,
    "finetune": FINETUNE,
    "probe": f'{FEDAVG}\nadapt = {{ method = "linear_probe", epochs = 2, accept = false }}',
    "personal": 'start = "random"\nfederate = "ridge"\nadapt = "personal_ridge"',
    "pooled": 'start = "random"\nfederate = { method = "pooled", epochs = 2 }',
    "cohorts": FEDAVG.replace("rounds = 3", "rounds = 3, cohort_size = 2, client_dropout = 0.2"),
}
DATA = "held_out_clients = 0.25"


def with_federation(study: Study, federation: Federation) -> Study:
    return Study.open(study.file, lab=dataclasses.replace(study.lab, federation=federation))


def results(out: Path) -> dict[str, object]:
    """Records' metrics and curves, and the client table in an order of its own."""
    told = numbers(out)
    names = ("metrics", "curve", "traffic", "accepted", "excluded", "settings")
    return {
        "records": [{name: line[name] for name in names} for line in told["records"]],
        "clients": sorted(told["clients"], key=lambda row: [str(value) for value in list(row.values())[:-1]]),
    }


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that others are compared with."""
    folder = tmp_path_factory.mktemp("reference")
    run_tiny(folder, arms=SLATE, data=DATA)
    return folder / "out"


def test_two_runs_are_equal(reference: Path, tmp_path: Path) -> None:
    run_tiny(tmp_path, arms=SLATE, data=DATA)
    assert numbers(tmp_path / "out") == numbers(reference)


def test_arms_and_seeds_in_another_order_are_equal(reference: Path, tmp_path: Path) -> None:
    arms = dict(reversed(SLATE.items()))
    run_tiny(tmp_path, arms=arms, seeds=[1, 0], data=DATA)
    found, expected = (
        {(line["arm"], line["seed"]): {**line, "timing": None} for line in read_records(out)}
        for out in (tmp_path / "out", reference)
    )
    assert found == expected


def test_clients_in_another_order_are_equal(reference: Path, tmp_path: Path) -> None:
    plan = open_tiny(tmp_path, arms=SLATE, data=DATA)
    federation = plan.lab.federation
    shuffled = dataclasses.replace(federation, clients=[federation.clients[i] for i in (2, 0, 3, 1)])
    assert shuffled.key == federation.key
    with_federation(plan, shuffled).run(tmp_path / "out")
    assert close(results(tmp_path / "out"), results(reference), 1e-6)


@pytest.mark.parametrize("threads", [1, 2])
def test_any_number_of_threads_is_equal(reference: Path, tmp_path: Path, threads: int) -> None:
    before, used = torch.get_num_threads(), set()

    class Watch(Silent):
        def finish(self, text: str) -> None:
            used.add(torch.get_num_threads())

    plan = open_tiny(tmp_path, arms=SLATE, data=DATA, more=f"[engine]\nthreads = {threads}")
    plan.run(tmp_path / "out", progress=Watch())
    assert (used, torch.get_num_threads()) == ({threads}, before)
    assert close(results(tmp_path / "out"), results(reference), 1e-6)


def test_the_serial_engine_agrees(reference: Path, tmp_path: Path) -> None:
    plan = open_tiny(tmp_path, arms=SLATE, data=DATA, more='[engine]\nname = "serial"')
    assert isinstance(plan.lab.engine, Serial)
    plan.run(tmp_path / "out")
    assert close(results(tmp_path / "out"), results(reference), 1e-5)


def test_double_precision_agrees_and_is_another_study(reference: Path, tmp_path: Path) -> None:
    run_tiny(tmp_path, arms=SLATE, data=DATA, more='[engine]\ndtype = "float64"')
    assert read_records(tmp_path / "out")[0]["study"] != read_records(reference)[0]["study"]
    means = [mean_loss(tmp_path / "out"), mean_loss(reference)]
    assert means[0] == pytest.approx(means[1], abs=1e-3)


def mean_loss(out: Path) -> float:
    return float(np.mean([line["metrics"]["client_log_loss"] for line in read_records(out)]))


def test_every_view_has_its_rows_per_seed(tmp_path: Path) -> None:
    plan = open_tiny(tmp_path, data=DATA)
    zero, one = plan.lab.at(0), plan.lab.at(1)
    for a, b in zip(zero.clients, one.clients, strict=True):
        assert a.test.tolist() == b.test.tolist()
        assert sorted([*a.train, *a.val]) == sorted([*b.train, *b.val])
    assert any(a.val.tolist() != b.val.tolist() for a, b in zip(zero.clients, one.clients, strict=True))


def test_a_client_with_inputs_that_are_no_numbers_is_named_and_left_out(tmp_path: Path) -> None:
    plan = open_tiny(tmp_path)
    federation = plan.lab.federation
    inputs = federation.examples.inputs.copy()
    inputs[federation.clients[1].train] = np.nan
    examples = dataclasses.replace(federation.examples, inputs=inputs)
    plan = with_federation(plan, dataclasses.replace(federation, examples=examples))
    outcome = plan.run(tmp_path / "out")
    assert outcome.stopped == {}
    for line in read_records(tmp_path / "out"):
        assert {entry["client"] for entry in line["excluded"]} == {"site-1"}
        assert {entry["round"] for entry in line["excluded"]} >= {0, 1, 2}
        assert all("not finite" in entry["reason"] for entry in line["excluded"])
        assert 0 < line["metrics"]["client_accuracy"] <= 1


def test_a_client_that_raises_is_named_and_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hurt_first_client(monkeypatch, rounds={1})
    run_tiny(tmp_path, more='[engine]\nname = "serial"')
    excluded = read_records(tmp_path / "out")[0]["excluded"]
    assert [(entry["client"], entry["round"]) for entry in excluded] == [("site-0", 1)]
    assert excluded[0]["reason"] == "RuntimeError: its disk is full"


def test_too_many_bad_clients_stop_the_arm_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hurt_first_client(monkeypatch, rounds={0, 1, 2})
    local = 'start = "random"\nadapt = { method = "full_finetune", epochs = 1 }'
    outcome = run_tiny(
        tmp_path,
        arms={"fedavg": FEDAVG, "local": local},
        more='[engine]\nname = "serial"\nmax_bad_clients = 0.2',
    )
    assert list(outcome.stopped) == ["fedavg"]
    for part in ("round 0: 1 of 4 clients failed", "share 0.2", "'site-0'", "its disk is full", "lower client_lr"):
        assert part in outcome.stopped["fedavg"]
    assert outcome.verdict.recommended == "local"


def hurt_first_client(monkeypatch: pytest.MonkeyPatch, rounds: set[int]) -> None:
    """Let site-0 raise in some rounds."""
    update = FedAvg.client_update

    def hurting(method: FedAvg, model: object, shared: object, private: object, data: object) -> object:
        if getattr(data, "ids", []) == ["site-0"] and data.key[2] in rounds:  # type: ignore[attr-defined]
            raise RuntimeError("its disk is full")
        return update(method, model, shared, private, data)  # type: ignore[arg-type]

    monkeypatch.setattr(FedAvg, "client_update", hurting)


def test_a_curve_has_the_points_that_are_asked_for(tmp_path: Path) -> None:
    run_tiny(tmp_path, arms={"fedavg": FEDAVG.replace("rounds = 3", "rounds = 7")}, more="[evaluation]\neval_every = 3")
    rounds = [[point["round"] for point in line["curve"]] for line in read_records(tmp_path / "out")]
    assert rounds == [[0, 3, 6, 7]] * 2


def test_two_federated_stages_make_one_curve(tmp_path: Path) -> None:
    arms = {"fedavg": FEDAVG, "both": 'start = "random"\nfederate = ["ridge", { method = "fedavg", rounds = 2 }]'}
    run_tiny(tmp_path, arms=arms)
    line = next(line for line in read_records(tmp_path / "out") if line["arm"] == "both")
    assert [(point["stage"], point["round"]) for point in line["curve"]] == [
        ("ridge", 0),
        ("ridge", 1),
        ("fedavg", 0),
        ("fedavg", 1),
        ("fedavg", 2),
    ]
    sent = [point["bytes"] for point in line["curve"]]
    assert sent == sorted(sent)
    assert sent[-1] == sum(line["traffic"].values())


def test_without_validation_data_curves_have_no_scores(tmp_path: Path) -> None:
    run_tiny(tmp_path, data="split = { train = 0.8, val = 0.0, test = 0.2 }")
    for line in read_records(tmp_path / "out"):
        assert {point["val_accuracy"] for point in line["curve"]} == {None}
        assert line["accepted"] in (None, 1.0)  # nothing speaks against an adaptation
