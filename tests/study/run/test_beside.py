"""Work in processes beside each other: what one process would leave in the store, found by all."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart import Arm, Study, from_arrays
from headstart.core.machine import can_fork, threads
from headstart.core.progress import Silent
from headstart.engine.ways.fleet import Fleet
from headstart.models import weights
from headstart.study.run import beside
from headstart.study.run.beside import compute_beside, make_starts
from headstart.study.run.nodes import NodeStore
from headstart.study.run.pipeline import Pipeline
from headstart.study.run.work import TRIAL_VIEWS
from headstart.study.written.arms import Stage

pytestmark = pytest.mark.skipif(not can_fork(), reason="this system cannot fork")
PRETRAIN = Stage("start", "pretrain", {"epochs": 2})


@pytest.fixture(scope="module")
def study() -> Study:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 120)
    inputs = rng.standard_normal((120, 4)) + labels[:, None]
    pool = (inputs[60:], labels[60:])
    federation = from_arrays(inputs[:60], labels[:60], clients=np.arange(60) % 3, central=pool)
    return Study(federation, [Arm("zero", PRETRAIN)], backbone="mlp", baseline="zero", seeds=(0, 1, 2), trials=1)


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(beside, "num_cores", lambda: 2)
    with threads(1):
        yield


def pipelines(study: Study, folder: Path) -> list[Pipeline]:
    return [study.pipeline(NodeStore(folder), seed, Silent()) for seed in (0, 1, 2)]


def found(folder: Path) -> dict[str, Any]:
    trees = {file.name: weights.load(file)[0] for file in (folder / "weights").iterdir()}
    return {name: {key: value.tolist() for key, value in tree.items()} for name, tree in trees.items()}


def test_they_are_those_of_one_process(study: Study, tmp_path: Path) -> None:
    make_starts((PRETRAIN, pipeline) for pipeline in pipelines(study, tmp_path / "beside"))
    assert len(list((tmp_path / "beside" / "nodes").iterdir())) == 3
    for pipeline in pipelines(study, tmp_path / "alone"):
        pipeline.start(PRETRAIN)
    assert found(tmp_path / "beside") == found(tmp_path / "alone")


def test_one_alone_and_what_is_there_and_random_ones_are_left(study: Study, tmp_path: Path) -> None:
    first, second, _ = pipelines(study, tmp_path)
    make_starts([(PRETRAIN, first), (PRETRAIN, first), (Stage("start", "random"), second)])
    assert not (tmp_path / "nodes").exists()
    make_starts((PRETRAIN, pipeline) for pipeline in (first, second))
    before = sorted(path.stat().st_mtime_ns for path in (tmp_path / "nodes").iterdir())
    make_starts((PRETRAIN, pipeline) for pipeline in (first, second))
    assert sorted(path.stat().st_mtime_ns for path in (tmp_path / "nodes").iterdir()) == before


def test_one_that_cannot_be_trained_is_noted(study: Study, tmp_path: Path) -> None:
    wild = Stage("start", "pretrain", {"epochs": 1, "client_lr": 1e6})
    make_starts((wild, pipeline) for pipeline in pipelines(study, tmp_path))
    store = NodeStore(tmp_path)
    facts = [store.facts(path.stem) for path in (tmp_path / "nodes").iterdir()]
    assert len(facts) == 3
    assert all("diverged" in one["failed"] for one in facts)


def test_several_threads_are_left_alone(study: Study, tmp_path: Path) -> None:
    with threads(2):
        make_starts((PRETRAIN, pipeline) for pipeline in pipelines(study, tmp_path))
    assert not (tmp_path / "nodes").exists()


def test_deep_arms_of_several_seeds_are_those_of_one_process(study: Study, tmp_path: Path) -> None:
    fedavg = {"method": "fedavg", "rounds": 2}
    deep = Arm("deep", "random", fedavg, {"method": "full_finetune", "epochs": 1})

    def work(pipeline: Pipeline) -> object:
        print("not for the terminal")
        return replace(pipeline, engine=Fleet("loop")).result(deep, TRIAL_VIEWS)

    compute_beside([(pipeline, work) for pipeline in pipelines(study, tmp_path / "beside")])
    for pipeline in pipelines(study, tmp_path / "alone"):
        work(pipeline)
    both = [nodes(tmp_path / name) for name in ("beside", "alone")]
    assert len(both[0]) == 9
    assert both[0] == both[1]


def nodes(folder: Path) -> dict[str, Any]:
    told = {path.stem: json.loads(path.read_text()) for path in (folder / "nodes").iterdir()}
    return {key: {**facts, "seconds": None, "checksum": None} for key, facts in told.items()}


def test_who_waits_is_told_what_for(study: Study, tmp_path: Path) -> None:
    told: list[str] = []
    works = [(replace(one, tell=told.append), lambda _: time.sleep(0.4)) for one in pipelines(study, tmp_path)]
    compute_beside(works, patience=0.05)
    assert set(told) >= {"2 of 3 runs at once, 1 to follow", "1 of 3 runs at once, 0 to follow"}
