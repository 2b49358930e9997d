from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from headstart.core.files import read_json
from headstart.core.progress import Silent
from headstart.evidence.sides import FAMILIES
from headstart.study.diagnosis import frozen_features, good_starts, predicted_family
from headstart.study.run.nodes import NodeStore
from headstart.study.study import Study
from study.watch import Watch
from tiny_study import numbers, open_tiny, write_study, write_table

CENTRAL = 'central = { source = "pool.csv" }'


def test_without_a_good_start_the_raw_inputs_are_the_features(tmp_path: Path) -> None:
    plan = open_tiny(tmp_path)
    assert good_starts(plan.lab, plan.slate.arms) == [None]
    pipeline = plan.pipeline(NodeStore(tmp_path / "out"), 0, Silent())
    assert np.array_equal(frozen_features(plan.lab, pipeline, None), plan.lab.federation.examples.inputs)


def test_with_a_pool_the_features_are_those_of_the_pretrained_network(tmp_path: Path) -> None:
    write_table(tmp_path / "pool.csv", seed=1)
    study = write_study(tmp_path, data=CENTRAL)
    study.write_text(study.read_text().replace('"linear"', '"mlp"\nhidden = [7]'))
    plan = Study.load(study)
    start, raw = good_starts(plan.lab, plan.slate.arms)
    assert start is not None
    assert raw is None
    assert start.method == "pretrain"
    pipeline = plan.pipeline(NodeStore(tmp_path / "out"), 0, Silent())
    assert frozen_features(plan.lab, pipeline, start).shape == (len(plan.lab.federation.examples), 7)


def test_a_diagnosis_is_written_and_trains_no_client(tmp_path: Path, watch: Watch) -> None:
    found = open_tiny(tmp_path).diagnose(tmp_path / "out")
    written = read_json(tmp_path / "out" / "diagnosis.json")
    assert written == json.loads(json.dumps(found.as_json()))
    assert {"label_skew", "quantity_skew", "missing_classes", "feature_shift", "backbone", "ceiling"} <= set(written)
    assert (watch.nodes, watch.client_work) == ({}, 0)


def test_the_prediction_reaches_the_verdict(finished: Path) -> None:
    told = numbers(finished)
    assert told["diagnosis"]["prediction"]["family"] in FAMILIES
    assert told["verdict"]["predicted"] == told["diagnosis"]["prediction"]["family"]


@pytest.mark.parametrize(("name", "said"), [("family", "both"), ("family", "fine-tune"), ("winner", "fedavg")])
def test_what_was_predicted_is_read_in_older_folders_too(name: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "diagnosis.json").write_text(json.dumps({"prediction": {name: said}}))
    assert predicted_family(tmp_path / "diagnosis.json") == said


def test_without_a_diagnosis_nothing_is_predicted(tmp_path: Path) -> None:
    assert predicted_family(tmp_path / "diagnosis.json") is None


def test_test_labels_do_not_reach_the_diagnosis(tmp_path: Path) -> None:
    import dataclasses

    plan = open_tiny(tmp_path)
    before = plan.diagnose(tmp_path / "out")
    federation = plan.lab.federation
    labels = federation.examples.labels.copy()
    tests = np.concatenate([client.test for client in federation.clients])
    labels[tests] = (labels[tests] + 1) % federation.num_classes
    examples = dataclasses.replace(federation.examples, labels=labels)
    lab = dataclasses.replace(plan.lab, federation=dataclasses.replace(federation, examples=examples))
    after = Study.open(plan.file, lab=lab).diagnose(tmp_path / "poisoned")
    assert before.as_json() == after.as_json()
