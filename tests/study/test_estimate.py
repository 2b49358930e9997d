from __future__ import annotations

from pathlib import Path

import pytest
import torch

from headstart.study.clock import Clock, Seconds
from headstart.study.estimate import Branch, seconds_of_run
from headstart.study.study import Study
from tiny_study import ARMS, FEDAVG, NUM_CLIENTS, open_tiny, run_tiny, write_study

TREE = [
    ("start random",),
    ("start random", "federate fedavg (rounds 3, client_lr 0.2)"),
    ("start random", "federate fedavg (rounds 3, client_lr 0.2)", "adapt keep"),
    ("start random", "federate fedavg (rounds 3, client_lr 0.2)", "adapt full_finetune (epochs 2, client_lr 0.1)"),
]


def branches(folder: Path, **changes: object) -> list[Branch]:
    return tree(open_tiny(folder, **changes), folder / "out")


def tree(study: Study, out: Path) -> list[Branch]:
    return study.branches(study.plan(out), out)


def test_shared_stages_are_one_branch_and_parents_come_first(tmp_path: Path) -> None:
    found = branches(tmp_path)
    assert [branch.path for branch in found] == TREE
    assert [branch.arms for branch in found] == [(), (), ("fedavg",), ("fedavg-finetune",)]


def test_branches_that_train_clients_say_how(tmp_path: Path) -> None:
    assert [bool(branch.way) for branch in branches(tmp_path)] == [False, True, False, True]


def test_nothing_is_written_or_trained(tmp_path: Path) -> None:
    branches(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"clients.csv", "study.toml"}


@pytest.mark.parametrize("more", ["", "[tuning]\ntrials = 3"])
def test_what_is_finished_takes_no_time(tmp_path: Path, more: str) -> None:
    assert branches(tmp_path, more=more)[1].seconds > 0
    assert not any(branch.done for branch in branches(tmp_path, more=more))
    run_tiny(tmp_path, more=more)
    assert [branch.seconds for branch in branches(tmp_path, more=more)] == [0, 0, 0, 0]
    assert all(branch.done for branch in branches(tmp_path, more=more))
    probed = branches(tmp_path, more=more, arms={**ARMS, "probe": f'{FEDAVG}\nadapt = "linear_probe"'})
    assert [branch.seconds > 0 for branch in probed[3:]] == [False, True]
    assert [branch.done for branch in probed[3:]] == [True, False]


def test_what_costs_nothing_is_not_finished_before_it_ran(tmp_path: Path) -> None:
    arms = {"fedavg": FEDAVG, "reference": 'start = "random"\nfederate = { method = "pooled", epochs = 2 }'}
    assert [branch.done for branch in branches(tmp_path, arms=arms)] == [False] * 5
    run_tiny(tmp_path, arms=arms, only_arms=["fedavg"])
    assert [branch.done for branch in branches(tmp_path, arms=arms)] == [True, True, True, False, False]


@pytest.fixture
def a_second_a_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every client's work takes a hundredth of a second a step, whatever it is."""
    monkeypatch.setattr(Clock, "time", lambda *_: Seconds(100, 1.0, 0.0))


@pytest.mark.usefixtures("a_second_a_client")
def test_half_of_the_seeds_take_half_of_the_time(tmp_path: Path) -> None:
    before = branches(tmp_path)[3].seconds
    run_tiny(tmp_path, only_seeds=[0])
    assert branches(tmp_path)[3].seconds == pytest.approx(before / 2)


@pytest.mark.usefixtures("a_second_a_client")
def test_more_work_takes_more_time(tmp_path: Path) -> None:
    few = branches(tmp_path)[1].seconds
    assert branches(tmp_path, arms={"fedavg": FEDAVG.replace("3", "30")})[1].seconds == pytest.approx(10 * few, rel=0.2)
    assert branches(tmp_path, more="[tuning]\ntrials = 5")[1].seconds > 2 * few


@pytest.mark.usefixtures("a_second_a_client")
def test_work_that_arms_share_is_counted_once(tmp_path: Path) -> None:
    alone = branches(tmp_path, arms={"fedavg": FEDAVG})[1].seconds
    assert branches(tmp_path)[1].seconds == pytest.approx(alone, rel=0.2)


@pytest.mark.usefixtures("a_second_a_client")
def test_the_references_work_is_all_clients_work(tmp_path: Path) -> None:
    pooled = 'start = "random"\nfederate = { method = "pooled", epochs = 3 }'
    found = branches(tmp_path, arms={"fedavg": FEDAVG, "reference": pooled})
    assert found[3].path[1].startswith("federate pooled")
    assert found[3].seconds == pytest.approx(NUM_CLIENTS * found[1].seconds, rel=0.5)


@pytest.mark.parametrize("backbone", ["linear", "mlp"])
def test_every_kind_of_network_can_be_timed(tmp_path: Path, backbone: str) -> None:
    study = write_study(tmp_path)
    study.write_text(study.read_text().replace('"linear"', f'"{backbone}"'))
    assert len(tree(Study.load(study), tmp_path / "out")) == 4


def test_every_trial_of_every_seed_that_chooses_is_counted(tmp_path: Path) -> None:
    """A head is tuned with each of three seeds, a deeper arm with two; what is chosen runs with all of them."""
    head = 'start = "random"\nadapt = { method = "linear_probe", epochs = 2 }'
    found = branches(tmp_path, seeds=(0, 1, 2), arms={"fedavg": FEDAVG, "head": head}, more="[tuning]\ntrials = 4")
    nodes = {branch.path[-1].split()[1]: branch.runs for branch in found}
    assert nodes == {"random": 3, "fedavg": 4 * 2 + 1, "keep": 4 * 2 + 3, "linear_probe": 4 * 3 + 3}


def test_work_is_timed_with_the_threads_that_it_will_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def count(*_: object) -> list[Branch]:
        seen.append(torch.get_num_threads())
        return []

    monkeypatch.setattr("headstart.study.study.estimate", count)
    monkeypatch.setattr("headstart.study.study.suitable_threads", lambda _: 3)
    before = torch.get_num_threads()
    branches(tmp_path)
    assert seen == [3]
    assert torch.get_num_threads() == before


def test_one_run_takes_its_stages_and_nothing_once_it_is_finished(tmp_path: Path) -> None:
    study = open_tiny(tmp_path, seeds=(0, 1), arms={"fedavg": FEDAVG})
    (arm,) = study.plan(tmp_path / "out").arms
    before = seconds_of_run(study.file.settings, study.costs, tmp_path / "out")
    assert before(arm, 0) > 0
    study.run(tmp_path / "out", seeds=[0])
    after = seconds_of_run(study.file.settings, study.costs, tmp_path / "out")
    # What one seed has done is no work of the other's.
    assert after(arm, 0) == 0
    assert after(arm, 1) > 0
