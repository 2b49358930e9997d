from __future__ import annotations

import json
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any, get_args

import pytest

from headstart.evidence import MEASURES
from headstart.study.written.load import parse_study
from headstart.study.written.schema import Metric, StudySettings, decision_hash, study_hash

SMALL: dict[str, Any] = {"name": "demo", "data": {"source": "digits"}}


def settings(**tables: Any) -> StudySettings:
    return parse_study({**SMALL, **tables}, Path()).settings


def test_defaults() -> None:
    study = settings()
    assert study.seeds == (0, 1, 2, 3, 4)
    assert (study.tuning.trials, study.evaluation.global_test_examples) == (None, 1000)
    assert (study.engine.dtype, study.engine.max_bad_clients) == ("float32", 0.5)
    assert (study.decision.baseline, study.decision.confidence) == ("fedavg", 0.95)


def test_settings_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        settings().name = "other"  # type: ignore[misc]


def test_metrics_are_those_of_the_evidence() -> None:
    assert get_args(Metric) == tuple(MEASURES)


def test_as_json_is_plain_and_read_back() -> None:
    study = settings(
        data={"source": "digits", "partition": {"method": "iid"}, "where": {"site": ["a", "b"]}},
        devices={"clinic": {"memory": "2 GB"}},
        arms={"fedavg": {"start": "random", "federate": {"method": "fedavg", "rounds": 2}}},
    )
    plain = json.loads(json.dumps(study.as_json()))
    assert parse_study(plain, Path()).settings == study


@pytest.mark.parametrize(
    "change",
    [
        {"data": {"source": "digits", "seed": 1}},
        {"model": {"backbone": "mlp"}},
        {"tuning": {"trials": 4}},
        {"evaluation": {"global_test_examples": 10}},
        {"engine": {"dtype": "float64"}},
    ],
)
def test_study_hash_changes_with_what_runs_share(change: dict[str, Any]) -> None:
    assert study_hash(settings(**change)) != study_hash(settings())


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"seeds": [0, 1]},
        {"arms": {"fedavg": {"start": "random"}}},
        {"decision": {"min_effect": 0.05}},
        {"devices": {"clinic": {"uplink": "none"}}},
        {"engine": {"threads": 2}},
        {"data": {"source": "digits", "seed": 0}},
    ],
)
def test_study_hash_does_not_change_with_the_rest(change: dict[str, Any]) -> None:
    assert study_hash(settings(**change)) == study_hash(settings())


def test_decision_hash_does_not_change_with_the_rest() -> None:
    assert decision_hash(settings(seeds=[3], name="other")) == decision_hash(settings())


@pytest.mark.parametrize(
    "change",
    [
        {"min_effect": 0.01},
        {"metric": "macro_f1"},
        {"confidence": 0.9},
        {"baseline": "local"},
        {"clients": "these"},
    ],
)
def test_decision_hash_changes_with_the_decision(change: dict[str, Any]) -> None:
    assert decision_hash(settings(decision=change)) != decision_hash(settings())
