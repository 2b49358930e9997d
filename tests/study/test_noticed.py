"""What records and the verdict say of whether arms have learnt; what becomes of old folders and of starts that fail."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart import Arm, Study
from headstart.evidence.verdict import Verdict
from headstart.report import load_run, to_json, to_markdown
from headstart.report.page import to_html
from headstart.study.run.facts import training_sample
from study.made import images, table
from study.watch import Watch
from tiny_study import ARMS, numbers, open_tiny, read_records, run_tiny, write_table

DIVERGED = 'start = "random"\nfederate = { method = "fedavg", rounds = 3, client_lr = 1e4 }'
ADAPTED = f'{DIVERGED}\nadapt = {{ method = "full_finetune", client_lr = 0.2, accept = false }}'
RIDGE = 'start = "random"\nfederate = "ridge"'
PRETRAINED = {"method": "pretrain", "epochs": 2, "batch_size": 8}


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder whose baseline failed."""
    folder = tmp_path_factory.mktemp("failed")
    run_tiny(folder, arms={"fedavg": DIVERGED, "adapted": ADAPTED, "ridge": RIDGE})
    return folder / "out"


def test_records_say_what_was_noticed_and_who_kept(finished: Path) -> None:
    fedavg, *_, finetune = read_records(finished)
    assert fedavg["learnt"] == []
    assert (fedavg["kept"], fedavg["personal"]) == (None, False)
    assert finetune["kept"] == f"kept by {round(4 * finetune['accepted'])} of 4"
    assert finetune["personal"]


def test_a_failed_baseline_stands_in_the_verdict_and_gives_no_comparison(failed: Path) -> None:
    verdict = json.loads((failed / "verdict.json").read_text())
    assert "training failed: it diverged" in verdict["failed"]["fedavg"]
    assert verdict["arms"]["fedavg"]["status"] == "failed"
    assert (verdict["effect"], verdict["interval"]) == (None, None)
    assert {arm: score["effect"] for arm, score in verdict["arms"].items()} == dict.fromkeys(verdict["arms"])
    assert "fedavg" not in verdict["probability_best"]
    assert verdict["kept"] == {"adapted": "kept by 4 of 4"}
    assert (
        "no comparison with the baseline fedavg, which failed (training failed: it diverged" in verdict["cautions"][-1]
    )


@pytest.mark.parametrize("write", [to_html, to_markdown, lambda run: json.dumps(to_json(run))])
def test_every_report_says_that_training_failed_and_who_kept(write: Any, failed: Path) -> None:
    text = write(load_run(failed))
    assert "training failed: it diverged" in text
    assert "4 of 4" in text
    assert "There is no comparison with the baseline fedavg, which failed" in text


def test_no_test_label_reaches_what_is_noticed(tmp_path: Path) -> None:
    """To exclude arms by their test scores would be to select by them."""
    study = open_tiny(tmp_path, seeds=[0])
    study.run(tmp_path / "out")
    federation = study.lab.federation
    labels = federation.examples.labels.copy()
    tests = np.concatenate([client.test for client in federation.clients])
    labels[tests] = (labels[tests] + 1) % federation.num_classes
    examples = dataclasses.replace(federation.examples, labels=labels)
    lab = dataclasses.replace(study.lab, federation=dataclasses.replace(federation, examples=examples))
    Study.open(study.file, lab=lab).run(tmp_path / "poisoned")
    first, second = (learnt_facts(tmp_path / name) for name in ("out", "poisoned"))
    assert first == second
    assert len(first) == len(ARMS)


def learnt_facts(out: Path) -> list[Any]:
    """Return each run's findings and the facts that they rest on."""
    lines = read_records(out)
    return [
        (line["learnt"], json.loads((out / "nodes" / f"{line['key']}.json").read_text())["learnt"]) for line in lines
    ]


def test_a_folder_older_than_the_check_stays_valid_and_says_so(tmp_path: Path, watch: Watch) -> None:
    run_tiny(tmp_path)
    out = tmp_path / "out"
    scores = numbers(out)["clients"]
    grow_old(out)
    watch.clear()
    verdict = run_tiny(tmp_path).verdict
    assert (watch.nodes, watch.client_work) == ({}, 0)
    assert verdict.failed == {}
    assert verdict.warnings == {arm: [f"not checked whether it learnt anything: {OLDER}"] for arm in ARMS}
    assert numbers(out)["clients"] == scores
    to_html(load_run(out))


OLDER = "its records are older than the check"


def grow_old(out: Path) -> None:
    """Take what today's records and nodes say beyond those of before out of them."""
    lines = [{k: v for k, v in line.items() if k not in ("learnt", "kept", "personal")} for line in read_records(out)]
    (out / "records.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for path in (out / "nodes").glob("*.json"):
        facts = json.loads(path.read_text())
        facts = {name: value for name, value in facts.items() if name not in ("learnt", "checksum")}
        path.write_text(json.dumps(facts))


def test_scores_on_training_data_stay_out_of_the_client_table(finished: Path) -> None:
    assert {row["split"] for row in numbers(finished)["clients"]} == {"val", "test", "global_test"}


@pytest.fixture(scope="module")
def without_start(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Verdict]:
    """A study one of whose starts diverges, and its folder."""
    folder = tmp_path_factory.mktemp("without-start")
    arms = [
        Arm("head", {**PRETRAINED, "client_lr": 1e4}, (), "linear_probe"),
        Arm("zero-shot", {**PRETRAINED, "client_lr": 1e4}),
        Arm("fedavg", "random", {"method": "fedavg", "rounds": 20, "client_lr": 0.1, "batch_size": 8}),
    ]
    study = Study(images(pool=60), arms, backbone="small-cnn", seeds=[0, 1], trials=1, baseline="fedavg")
    return folder, study.run(folder).verdict


def test_a_start_that_fails_rules_out_its_arms_and_no_other(without_start: tuple[Path, Verdict]) -> None:
    folder, verdict = without_start
    assert list(verdict.ruled_out) == ["head", "zero-shot"]
    assert all("start cannot be trained: start.client_lr" in reason for reason in verdict.ruled_out.values())
    assert verdict.recommended == "fedavg"
    assert [line["arm"] for line in read_records(folder)] == ["fedavg", "fedavg"]


def test_a_start_that_fails_is_tried_once_with_each_seed(without_start: tuple[Path, Verdict]) -> None:
    folder, _ = without_start
    nodes = [json.loads(path.read_text()) for path in (folder / "nodes").glob("*.json")]
    assert len([node for node in nodes if node.get("failed")]) == 2


def test_the_diagnosis_falls_back_to_what_it_can_and_says_so(without_start: tuple[Path, Verdict]) -> None:
    prediction = json.loads((without_start[0] / "diagnosis.json").read_text())["prediction"]
    assert prediction["family"] == "federate"
    # Pre-training with its own settings is tried when that of the arms has failed.
    said = "The features are those of the start 'pretrain' with its defaults, for the start 'pretrain' failed: start."
    assert [reason for reason in prediction["reasons"] if reason.startswith(said)]


@pytest.mark.parametrize(
    ("clients", "rows", "checked", "most"), [(4, 30, 4, 18), (60, 10, 50, 6), (2, 900, 2, 500)], ids=str
)
def test_few_examples_of_not_too_many_clients_are_checked(clients: int, rows: int, checked: int, most: int) -> None:
    federation = table(clients=clients, rows=rows)
    sample = training_sample(federation)
    assert [len(own) > 0 for own in sample].count(True) == checked
    assert max(len(own) for own in sample) == most
    assert all(set(own) <= set(client.train) for own, client in zip(sample, federation.clients, strict=True))


def test_held_out_clients_are_not_checked(tmp_path: Path) -> None:
    write_table(tmp_path / "clients.csv")
    federation = open_tiny(tmp_path, data="held_out_clients = 0.25").lab.federation
    sample = training_sample(federation)
    assert [len(own) > 0 for own in sample] == [client.seen for client in federation.clients]
