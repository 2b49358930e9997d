"""Methods whose server sees the sums of each site: they leave where updates may, after the looks that sums get."""

from dataclasses import replace
from pathlib import Path

import pytest

from headstart.core.trees import Tree
from headstart.sites.settings import Protection
from headstart.study.run.nodes import NodeStore
from headstart.study.run.pipeline import Pipeline
from headstart.study.study import Study
from headstart.study.written.arms import Arm
from headstart.study.written.load import StudyFile
from sites.attacked import answered, changed, made, ready, requests, site_of
from sites.in_process import NAMES, InProcess, arm_of, losses, opened, run_arm, sites_of, spoils

EACH = ("fedcof", "fedpft")


def arm(file: StudyFile, method: str, adapt: str = "keep") -> Arm:
    return Arm(method, start=arm_of(file, "ridge").start, federate=method, adapt=adapt)


def simulated(file: StudyFile, arm: Arm, out: Path) -> dict[str, float]:
    """Each client's log loss on its test data in a simulation."""
    plan = Study.open(file)
    pipeline = Pipeline(plan.lab, NodeStore(out), 0, file.settings.decision.metric)
    facts = pipeline.result(arm, ["val", "test"]).facts
    ids = [client.id for client in pipeline.federation.clients]
    return dict(zip(ids, facts["metrics"]["test"]["log_loss"], strict=True))


@pytest.mark.parametrize("method", EACH)
def test_sites_come_to_what_a_simulation_does(method: str, file: StudyFile, folder: Path, tmp_path: Path) -> None:
    found = run_arm(opened(file, InProcess(sites_of(folder, tmp_path / "state")), tmp_path / "out"), arm(file, method))
    assert found["excluded"] == []
    assert losses(found) == pytest.approx(simulated(file, arm(file, method), tmp_path / "simulation"), abs=1e-4)


def test_own_models_stay_at_their_sites_and_are_chosen_there(file: StudyFile, folder: Path, tmp_path: Path) -> None:
    one = arm(file, "merge_once", "own_or_shared")
    found = run_arm(opened(file, InProcess(sites_of(folder, tmp_path / "state")), tmp_path / "out"), one)
    assert losses(found) == pytest.approx(simulated(file, one, tmp_path / "simulation"), abs=1e-4)


@pytest.mark.parametrize("method", EACH)
def test_a_site_that_lets_sums_leave_alone_takes_no_part(
    method: str, file: StudyFile, folder: Path, tmp_path: Path
) -> None:
    sites = sites_of(folder, tmp_path / "state", policy="sums")
    with pytest.raises(Exception, match="no site lets updates leave"):
        run_arm(opened(file, InProcess(sites), tmp_path / "out"), arm(file, method))


@pytest.mark.parametrize("method", EACH)
def test_under_masks_nobody_sees_each(method: str, file: StudyFile, folder: Path, tmp_path: Path) -> None:
    server = opened(
        file, InProcess(sites_of(folder, tmp_path / "state")), tmp_path / "out", asks=Protection(secure=True)
    )
    with pytest.raises(Exception, match=f"'{method}' makes its model of what each single client sends"):
        run_arm(server, arm(file, method))


@pytest.mark.parametrize("method", EACH)
def test_sums_that_no_examples_have_are_left_out(method: str, file: StudyFile, folder: Path, tmp_path: Path) -> None:
    def more(said: str, tree: Tree) -> tuple[str, Tree]:
        return said, {**tree, "counts": 2 * tree["counts"]}

    ask = InProcess(sites_of(folder, tmp_path / "state"), spoils("update", more))
    found = run_arm(opened(file, ask, tmp_path / "out"), arm(file, method))
    assert [one["client"] for one in found["excluded"]] == [NAMES[1]]
    assert "examples together" in found["excluded"][0]["reason"]


@pytest.mark.parametrize("method", EACH)
def test_sums_of_a_class_of_few_examples_stay(method: str, tmp_path: Path) -> None:
    file = made(tmp_path, 120)
    asked = requests(file, tmp_path)
    few = [
        line.replace(",sick", ",well") if 10 < number < 119 else line
        for number, line in enumerate((tmp_path / "north.csv").read_text().splitlines())
    ]
    (tmp_path / "north.csv").write_text("\n".join(few) + "\n")
    site = ready(site_of(tmp_path), file, asked)
    request = changed(asked["update"][0], {"stage.method": {"name": method, "settings": {}}})
    said, sent = answered(site, "update", request, asked["update"][1])
    assert "has a class of fewer than 5 train examples" in said["error"]
    assert "take a method that adds them up" in said["error"]
    assert not sent


@pytest.mark.parametrize("method", EACH)
def test_a_site_that_covers_its_sums_sends_none_of_them(method: str, tmp_path: Path) -> None:
    file = made(tmp_path, 120)
    asked = requests(file, tmp_path)
    request = changed(asked["update"][0], {"stage.method": {"name": method, "settings": {}}})
    for covers, words in (({"masked": True}, "masked updates only"), ({"noise": 1.0}, "without noise")):
        site = ready(replace(site_of(tmp_path, state=words), **covers), file, asked)  # type: ignore[arg-type]
        said, sent = answered(site, "update", request, asked["update"][1])
        assert words in said["error"]
        assert not sent
