"""What sites say of an adaptation: whether anything was learnt, as in the simulation, as far as policies allow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headstart.core.progress import Silent
from headstart.evidence.measured import Facts
from headstart.sites.site import Site
from headstart.study.run.nodes import NodeStore
from headstart.study.run.pipeline import Pipeline
from headstart.study.run.records import noticed
from headstart.study.study import Study
from headstart.study.written.arms import Arm
from headstart.study.written.arms import Stage as Written
from headstart.study.written.load import StudyFile
from sites.federations import Table
from sites.in_process import InProcess, arm_of, at_sites, opened, run_arm

ROWS = [{"age": 40 + 3 * n % 31 + 9 * (n % 2), "dose": n * 7 % 23 / 10, "label": "ab"[n % 2]} for n in range(48)]


@pytest.fixture
def file(tmp_path: Path) -> StudyFile:
    return Table({"a": ROWS[:26], "b": ROWS[26:]}, 'standardize = "client"').write(tmp_path)[0]


def steps(file: StudyFile, client_lr: float) -> Arm:
    """Return an arm of federated steps of this size."""
    stage = Written("federate", "fedavg", {"rounds": 4, "local_epochs": 2, "client_lr": client_lr})
    return replace(arm_of(file, "fedavg"), federate=(stage,))


def run(file: StudyFile, arm: Arm, folder: Path, policies: dict[str, str] | None = None) -> dict[str, Any]:
    sites = [
        Site(name, folder / f"{name}.csv", folder / "state" / name, (policies or {}).get(name, "updates"))
        for name in "ab"
    ]
    return run_arm(opened(file, InProcess(sites), folder / "out"), arm)


def of_simulation(file: StudyFile, arm: Arm, folder: Path) -> list[dict[str, Any]]:
    pipeline = Pipeline(Study.open(file).lab, NodeStore(folder / "nodes"), 0, file.settings.decision.metric)
    trunk = pipeline.trunk(arm)
    facts = pipeline.leaf(trunk, arm.adapt, ("val", "test")).facts
    assert Facts.of_json(facts["learnt"]).train
    return [one._asdict() for one in noticed(arm, pipeline, trunk, facts, trials=1) or ()]


@pytest.mark.parametrize("client_lr", [0.05, 1e-7, 1e5], ids=["learns", "moves nothing", "diverges"])
def test_steps_are_judged_as_in_the_simulation(client_lr: float, file: StudyFile, tmp_path: Path) -> None:
    arm = steps(file, client_lr)
    found = run(file, arm, tmp_path)
    assert found["learnt"] == of_simulation(file, arm, tmp_path)
    assert [one["failed"] for one in found["learnt"]].count(True) == (client_lr != 0.05)


@pytest.mark.parametrize("name", ["ridge", "local"])
def test_other_arms_are_judged_as_in_the_simulation(name: str, file: StudyFile, tmp_path: Path) -> None:
    assert run(file, arm_of(file, name), tmp_path)["learnt"] == of_simulation(file, arm_of(file, name), tmp_path)


def test_sites_that_let_no_scores_leave_are_not_counted(file: StudyFile, tmp_path: Path) -> None:
    found = run(file, steps(file, 1e-7), tmp_path, {"b": "counts"})
    assert found["clients"]["b"] == {"metrics": {}}
    assert "training failed: it moved nothing" in found["learnt"][0]["words"]


def test_where_nobody_lets_scores_leave_that_is_said(file: StudyFile, tmp_path: Path) -> None:
    found = run(file, arm_of(file, "local"), tmp_path, dict.fromkeys("ab", "counts"))
    assert [one["kind"] for one in found["learnt"]] == ["not checked"]


def test_means_over_all_examples_are_the_simulations(file: StudyFile, tmp_path: Path) -> None:
    sites = [Site(name, tmp_path / f"{name}.csv", tmp_path / "state" / name, "updates") for name in "ab"]
    study, here = at_sites(opened(file, InProcess(sites), tmp_path / "out")), Study.open(file)
    arm = arm_of(file, "ridge")
    pooled = [
        one.pipeline(NodeStore(tmp_path / str(at)), 0, Silent()).result(arm, ("val", "test")).facts["pooled"]["test"]
        for at, one in enumerate((study, here))
    ]
    for name in ("accuracy", "log_loss"):
        assert pooled[0][name] == pytest.approx(pooled[1][name], abs=1e-6)
    # Of others, clients' own values make no value of all.
    assert pooled[0]["macro_f1"] is None
