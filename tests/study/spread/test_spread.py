"""A study over several processes: the same records in the same order, whatever goes wrong on the way."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart import Arm, Study
from headstart.core.disk import DiskError, writing
from headstart.core.errors import ClientError, SettingError
from headstart.core.files import read_json
from headstart.core.machine import can_fork
from headstart.core.trees import Tree
from headstart.study.run.here import Here
from headstart.study.run.pipeline import Pipeline
from headstart.study.run.trunk import Trunk
from headstart.study.spread import begin
from headstart.study.written.arms import Stage
from study.made import table
from tiny_study import ARMS, FEDAVG, keys, numbers, open_tiny

pytestmark = pytest.mark.skipif(not can_fork(), reason="this process cannot be cloned")
SLATE = {
    **ARMS,
    "ridge": 'start = "random"\nfederate = "ridge"',
    "probe": 'start = "random"\nadapt = { method = "linear_probe", epochs = 2 }',
    "prox": FEDAVG.replace('"fedavg"', '"fedprox"'),
    "twice": 'start = "random"\nfederate = ["ridge", { method = "fedavg", rounds = 2 }]',
}


@pytest.fixture(autouse=True)
def few_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have clones, which begin at once, on every machine."""
    monkeypatch.setattr(begin, "num_cores", lambda: 2)


def run(folder: Path, jobs: int, until: str, *, only: Sequence[str] | None = None, trials: int = 2) -> Path:
    """Run the study into a new folder, in full for three seeds, else for the four with which a look may decide."""
    more = f'[tuning]\ntrials = {trials}\n[engine]\nway = "loop"\n[study]\nuntil = "{until}"\n'
    folder.mkdir(parents=True)
    study = open_tiny(folder, arms=SLATE, seeds=[0, 1, 2] if until == "all" else [0, 1, 2, 3], more=more)
    study.run(folder / "out", jobs=jobs, arms=only)
    return folder / "out"


def nodes(out: Path) -> Mapping[str, Any]:
    """What a store holds, but for how long it took; trees are named by their content."""
    found = {path.stem: read_json(path) for path in (out / "nodes").glob("*.json")}
    return {key: {**facts, "seconds": None} for key, facts in found.items()}


@pytest.mark.parametrize(("until", "jobs"), [("all", 3), ("decided", 2)])
def test_records_and_nodes_are_those_of_one_process(until: str, jobs: int, tmp_path: Path) -> None:
    alone = run(tmp_path / "1", 1, until)
    out = run(tmp_path / "more", jobs, until)
    assert numbers(out) == numbers(alone)
    assert nodes(out) == nodes(alone)
    assert len(keys(alone)) >= 4 * 3


def test_arms_that_are_asked_for_alone(tmp_path: Path) -> None:
    both = [run(tmp_path / str(jobs), jobs, "all", only=["prox", "ridge", "fedavg"], trials=1) for jobs in (1, 2)]
    assert numbers(both[0]) == numbers(both[1])


def broken(monkeypatch: pytest.MonkeyPatch, calls: list[str]) -> None:
    """Let FedProx fail with one seed, in whichever process."""
    federate = Here.federate

    def failing(work: Here, pipeline: Pipeline, before: Trunk, stage: Stage) -> tuple[dict[str, Any], Tree]:
        if stage.method == "fedprox" and pipeline.seed == 1:
            calls.append(stage.method)
            raise ClientError("too many bad clients")
        return federate(work, pipeline, before, stage)

    monkeypatch.setattr(Here, "federate", failing)


@pytest.mark.parametrize("trials", [1, 2])
def test_an_arm_that_fails_is_stopped_as_in_one_process(
    trials: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = list[str]()
    broken(monkeypatch, calls)
    alone = run(tmp_path / "1", 1, "all", trials=trials)
    calls.clear()
    out = run(tmp_path / "2", 2, "all", trials=trials)
    assert not calls, "what failed in another process is not tried again here"
    assert "too many bad clients" in numbers(out)["verdict"]["ruled_out"]["prox"]
    assert numbers(out) == numbers(alone)


def test_starts_that_cannot_be_trained_rule_arms_out_as_in_one_process(tmp_path: Path) -> None:
    arms = [
        Arm("wild", {"method": "pretrain", "epochs": 1, "client_lr": 1e6}, adapt="linear_probe"),
        Arm("deep", {"method": "pretrain", "epochs": 1, "client_lr": 1e6}, {"method": "fedavg", "rounds": 1}),
        Arm("sound", {"method": "pretrain", "epochs": 1}, {"method": "fedavg", "rounds": 2}),
    ]
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 2, 60)
    federation = table(central=(draw.standard_normal((60, 6)) + labels[:, None], labels))
    for jobs in (1, 2):
        study = Study(federation, arms, backbone="mlp", seeds=(0, 1, 2), trials=1, baseline="sound", until="all")
        outcome = study.run(tmp_path / str(jobs), jobs=jobs)
        assert {arm: why[:28] for arm, why in outcome.stopped.items()} == dict.fromkeys(
            ("wild", "deep"), "its start cannot be trained:"
        )
    assert numbers(tmp_path / "1") == numbers(tmp_path / "2")


def test_a_metric_of_the_users_own_that_fails_ends_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "bad_metric.py").write_text(
        "def score(truth, predicted, **_):\n    raise ValueError('no such class')\n"
    )
    study = open_tiny(
        tmp_path, decision='metric = "bad_metric:score"\nmin_effect = 0.01', more='[engine]\nway = "loop"'
    )
    with pytest.raises(SettingError, match="no such class"):
        study.run(tmp_path / "out", jobs=2)


def test_a_full_disk_is_met_by_who_runs_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    federate = Here.federate

    def full(work: Here, pipeline: Pipeline, before: Trunk, stage: Stage) -> tuple[dict[str, Any], Tree]:
        if stage.method == "fedprox":
            with writing(tmp_path / f"node-{os.getpid() == here}"):
                raise OSError(errno.ENOSPC, "full")
        return federate(work, pipeline, before, stage)

    here = os.getpid()
    monkeypatch.setattr(Here, "federate", full)
    with pytest.raises(DiskError, match=r"node-True' cannot be written \(the disk is full"):
        run(tmp_path / "2", 2, "all", trials=1)


def test_time_that_is_up_ends_it_with_what_is_finished(tmp_path: Path) -> None:
    more = '[tuning]\ntrials = 1\n[engine]\nway = "loop"\n[study]\nuntil = "all"\n[budget]\nminutes = 0.02\n'
    slow = {f"arm{n}": FEDAVG.replace("rounds = 3", f"rounds = {100 + n}") for n in range(30)}
    study = open_tiny(tmp_path, arms={**ARMS, **slow}, seeds=[0, 1, 2], more=more)
    outcome = study.run(tmp_path / "out", jobs=2)
    assert outcome.verdict.race is not None
    assert outcome.verdict.race.ended == "time"
    assert 0 < len(keys(tmp_path / "out")) < 3 * 32


def test_clients_at_their_sites_are_refused_in_a_line(tmp_path: Path) -> None:
    class There(Here):
        is_here = False

    study = open_tiny(tmp_path)
    study.work = There()
    with pytest.raises(SettingError, match="jobs: must be 1 where clients work at their sites"):
        study.run(tmp_path / "out", jobs=2)
    assert not (tmp_path / "out").exists()


def test_a_study_made_in_python_needs_clones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(begin, "can_fork", lambda: False)
    study = Study(table(), [Arm("fedavg", "random", "fedavg")], backbone="linear", seeds=(0, 1, 2), trials=1)
    with pytest.raises(SettingError, match="a study made in Python where this process cannot be cloned, received 2"):
        study.run(tmp_path / "out", jobs=2)
