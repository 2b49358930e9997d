"""Heads ahead of their turn: the same nodes to the last bit, whoever was computed beside them, and none twice."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from headstart.core.files import read_json
from headstart.core.machine import threads
from headstart.core.progress import Silent
from headstart.study.run.ahead import compute_ahead
from headstart.study.run.nodes import NodeStore
from headstart.study.run.tuning import trial_arms
from headstart.study.run.work import TRIAL_VIEWS
from headstart.study.study import Study
from tiny_study import write_study

SLATE = {
    "fedavg": 'start = "random"\nfederate = { method = "fedavg", rounds = 3, momentum = 0.9, trainable = "head" }',
    "fedadam": 'start = "random"\nfederate = { method = "fedadam", rounds = 2, cohort_size = 2, trainable = "head" }',
    "both": 'start = "random"\nfederate = { method = "fedavg", rounds = 3, momentum = 0.9, trainable = "head" }\n'
    'adapt = { method = "linear_probe", epochs = 3, weight_decay = 0.01 }',
    "probe": 'start = "random"\nadapt = { method = "linear_probe", epochs = 4 }',
    "adam": 'start = "random"\nadapt = { method = "linear_probe", epochs = 2, optimizer = "adam" }',
    "ridge": 'start = "random"\nfederate = "ridge"',
    "personal": 'start = "random"\nfederate = "ridge"\nadapt = "personal_ridge"',
    "knn": 'start = "random"\nfederate = "ridge"\nadapt = "knn"',
    "lda": 'start = "random"\nadapt = "local_lda"',
    "pooled": 'start = "random"\nfederate = { method = "pooled", epochs = 2 }',
    "deep": 'start = "random"\nfederate = ["ridge", { method = "fedavg", rounds = 2, trainable = "all" }]',
}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("study")
    path = write_study(folder, arms=SLATE, data="held_out_clients = 0.25", seeds=[0, 1, 2])
    path.write_text(path.read_text().replace('backbone = "linear"', 'backbone = "mlp"'))
    return Study.load(path)


def runs(study: Study, folder: Path, names: Sequence[str] = tuple(SLATE), trials: int = 3) -> list[Any]:
    """All trials and a final run of each arm and seed."""
    found = []
    for arm in (arm for arm in study.slate.arms if arm.name in names):
        tried = trial_arms(arm, trials, 0)
        for seed in study.file.settings.seeds:
            pipeline = study.pipeline(NodeStore(folder), seed, Silent())
            found += [(trial, pipeline, TRIAL_VIEWS) for trial in tried]
            found.append((tried[-1], pipeline, pipeline.final_views))
    return found


def nodes(folder: Path) -> dict[str, Any]:
    """What a store holds, but for how long it took; trees are named by their content."""
    found = {path.stem: read_json(path) for path in (folder / "nodes").glob("*.json")}
    return {key: {**facts, "seconds": None} for key, facts in found.items()}


@pytest.fixture(scope="module")
def alone(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    folder = tmp_path_factory.mktemp("alone")
    with threads(1):
        for arm, pipeline, views in runs(study, folder):
            pipeline.result(arm, views)
    return nodes(folder)


def test_nodes_are_those_of_one_run_after_another(study: Study, alone: Mapping[str, Any], tmp_path: Path) -> None:
    every = runs(study, tmp_path)
    with threads(1):
        compute_ahead(every)
        found = nodes(tmp_path)
        assert {key: alone[key] for key in found} == found
        for arm, pipeline, views in every:
            pipeline.result(arm, views)
    assert nodes(tmp_path) == alone
    deep = [key for key in alone if key not in found]
    assert {alone[key]["kind"] for key in deep} == {"federate", "adapt"}, "what trains more is left for later"


@pytest.mark.parametrize("names", [["fedavg"], ["both", "probe"], ["pooled", "fedadam"], ["ridge", "knn", "adam"]])
def test_company_changes_no_bit(study: Study, alone: Mapping[str, Any], tmp_path: Path, names: list[str]) -> None:
    with threads(1):
        compute_ahead(runs(study, tmp_path, names)[::-1])
    found = nodes(tmp_path)
    assert found
    assert {key: alone[key] for key in found} == found


def test_what_is_there_is_not_computed_again(study: Study, alone: Mapping[str, Any], tmp_path: Path) -> None:
    every = runs(study, tmp_path)
    with threads(1):
        compute_ahead(every[::4])
        before = {path: path.stat().st_mtime_ns for path in (tmp_path / "nodes").iterdir()}
        compute_ahead(every)
        compute_ahead(every)
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "nodes").iterdir()}
    assert {path: time for path, time in after.items() if path in before} == before
    found = nodes(tmp_path)
    assert {key: alone[key] for key in found} == found
