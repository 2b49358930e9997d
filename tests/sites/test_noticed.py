"""What is noticed of an arm over sites is what the simulation notices, as far as policies let it be known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headstart.evidence.measured import Facts
from headstart.sites.arms import arm_lines, run_arm
from headstart.sites.site import Site
from headstart.study.run.nodes import NodeStore
from headstart.study.run.pipeline import FINAL_VIEWS, Pipeline
from headstart.study.run.records import noticed
from headstart.study.study import Study
from headstart.study.written.arms import Arm
from headstart.study.written.arms import Stage as Written
from headstart.study.written.load import StudyFile
from sites.federations import Table
from sites.in_process import InProcess, arm_of, opened

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
    facts = pipeline.leaf(trunk, arm.adapt, FINAL_VIEWS).facts
    assert Facts.of_json(facts["learnt"]).train
    return [one._asdict() for one in noticed(arm, pipeline, trunk, facts, trials=1) or ()]


@pytest.mark.parametrize("client_lr", [0.05, 1e-7, 1e5], ids=["learns", "moves nothing", "diverges"])
def test_steps_are_judged_as_in_the_simulation(client_lr: float, file: StudyFile, tmp_path: Path) -> None:
    arm = steps(file, client_lr)
    found = run(file, arm, tmp_path)
    assert found["learnt"] == of_simulation(file, arm, tmp_path)
    assert [one["failed"] for one in found["learnt"]].count(True) == (client_lr != 0.05)


def test_a_failure_is_said_in_the_terminal(file: StudyFile, tmp_path: Path) -> None:
    found = run(file, steps(file, 1e-7), tmp_path)
    assert any("fedavg: training failed: it moved nothing" in line for line in arm_lines(found, "accuracy"))


@pytest.mark.parametrize("name", ["ridge", "local"])
def test_other_arms_are_judged_as_in_the_simulation(name: str, file: StudyFile, tmp_path: Path) -> None:
    assert run(file, arm_of(file, name), tmp_path)["learnt"] == of_simulation(file, arm_of(file, name), tmp_path)


def test_sites_that_let_no_scores_leave_are_not_counted(file: StudyFile, tmp_path: Path) -> None:
    found = run(file, steps(file, 1e-7), tmp_path, {"b": "counts"})
    assert found["clients"]["b"] == {}
    assert "training failed: it moved nothing" in found["learnt"][0]["words"]


def test_where_nobody_lets_scores_leave_that_is_said(file: StudyFile, tmp_path: Path) -> None:
    found = run(file, arm_of(file, "local"), tmp_path, dict.fromkeys("ab", "counts"))
    assert [one["kind"] for one in found["learnt"]] == ["not checked"]
