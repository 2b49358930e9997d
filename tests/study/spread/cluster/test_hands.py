from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headstart.core.errors import EngineError, SettingError
from headstart.core.progress import Silent
from headstart.study.run.nodes import NodeStore
from headstart.study.spread.board import Board
from headstart.study.spread.cluster.hands import Cluster
from headstart.study.spread.piece import Piece
from headstart.study.study import Study
from study.spread.cluster.fake import Fake, Hired
from tiny_study import write_study

SEEDS = (0, 1)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study.load(write_study(tmp_path, more='[engine]\ndevice = "cpu"'))


def pieces(study: Study, store: NodeStore) -> list[Piece]:
    """Return each arm's start and its run, with two seeds."""
    found = []
    for seed in SEEDS:
        pipeline = study.pipeline(store, seed, Silent())
        for arm in study.slate.arms:
            start = pipeline.start_key(arm.start)
            found.append(Piece("start", seed, (arm,), makes=(start,)))
            found.append(Piece("result", seed, (arm,), pipeline.final_views, needs=(start,)))
    return found


def done(cluster: Cluster, todo: list[Piece]) -> Board:
    board = Board()
    with cluster:
        board.add(todo)
        while board.pending:
            cluster.go_on(board)
    return board


def test_workers_leave_the_nodes_that_one_process_leaves(study: Study, tmp_path: Path) -> None:
    fake, store, alone = Fake(tmp_path), NodeStore(tmp_path / "out"), NodeStore(tmp_path / "alone")
    board = done(Cluster(study, store, fake.joined, Silent()), pieces(study, store))
    for seed in SEEDS:
        for arm in study.slate.arms:
            pipeline = study.pipeline(alone, seed, Silent())
            wanted = pipeline.result(arm, pipeline.final_views)
            found = store.get(pipeline.leaf_key(pipeline.trunk_key(arm), arm.adapt, pipeline.final_views))
            assert found is not None
            assert _numbers(found.facts) == _numbers(wanted.facts)
    assert not any(answer.failed for _, answer in board.ended)
    assert len(fake.hired) == 3
    assert fake.closed
    assert not any(hired.lives for hired in fake.hired)


def _numbers(facts: Any) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if name != "seconds"}


def test_what_is_needed_is_handed_to_the_cluster_once(study: Study, tmp_path: Path) -> None:
    fake, store = Fake(tmp_path), NodeStore(tmp_path / "out")
    todo = pieces(study, store)
    done(Cluster(study, store, fake.joined, Silent()), todo)
    # The federation, and the start of each seed.
    assert fake.puts <= 1 + len(SEEDS) * 2


def test_a_piece_of_a_worker_that_died_is_done_by_another(study: Study, tmp_path: Path) -> None:
    left = [2]

    def dies(_: Hired, what: str) -> bool:
        left[0] -= what == "do"
        return what == "do" and left[0] >= 0

    fake, store = Fake(tmp_path, dies=dies), NodeStore(tmp_path / "out")
    board = done(Cluster(study, store, fake.joined, Silent()), pieces(study, store))
    calm = done(Cluster(study, NodeStore(tmp_path / "calm"), Fake(tmp_path).joined, Silent()), pieces(study, store))
    assert {piece.key for piece, _ in board.ended} >= {piece.key for piece, _ in calm.ended}
    assert len(fake.hired) == 5


def test_a_machine_that_goes_leaves_its_pieces_to_the_others(study: Study, tmp_path: Path) -> None:
    fake, store = Fake(tmp_path), NodeStore(tmp_path / "out")

    def dies(hired: Hired, what: str) -> bool:
        if what == "do" and hired.machine.host == "north":
            fake.there = [machine for machine in fake.there if machine.host != "north"]
        return hired.machine not in fake.there

    fake.dies = dies
    board = done(Cluster(study, store, fake.joined, Silent()), pieces(study, store))
    assert not board.pending


def test_a_piece_over_which_three_workers_died_ends_the_study(study: Study, tmp_path: Path) -> None:
    fake, store = Fake(tmp_path, dies=lambda _, what: what == "do"), NodeStore(tmp_path / "out")
    with pytest.raises(EngineError, match=r"3 .* died over"):
        done(Cluster(study, store, fake.joined, Silent()), pieces(study, store)[:1])
    assert fake.closed


def test_no_worker_left(study: Study, tmp_path: Path) -> None:
    fake, store = Fake(tmp_path), NodeStore(tmp_path / "out")

    def dies(_: Hired, what: str) -> bool:
        if what == "do":
            fake.there = []
        return not fake.there

    fake.dies = dies
    with pytest.raises(EngineError, match="no worker is left; finished work is kept"):
        done(Cluster(study, store, fake.joined, Silent()), pieces(study, store))


def test_other_versions_are_named(study: Study, tmp_path: Path) -> None:
    def answers(what: str, answer: Any) -> Any:
        return {**answer, "PyTorch": "1.0"} if what == "meet" else answer

    fake, store = Fake(tmp_path, answers=answers), NodeStore(tmp_path / "out")
    with pytest.raises(SettingError, match=r"same versions, received PyTorch 1\.0 on 'north' and PyTorch"):
        done(Cluster(study, store, fake.joined, Silent()), pieces(study, store))
    assert fake.closed


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"failed": "model.backbone: must be an existing file"}, "'north' cannot open the study: model.backbone"),
        ({"data": "x"}, "other checkpoints or code than this machine"),
    ],
)
def test_a_machine_that_cannot_open_the_study_is_named(
    study: Study, tmp_path: Path, answer: dict[str, str], said: str
) -> None:
    fake = Fake(tmp_path, answers=lambda what, found: answer if what == "open" else found)
    with pytest.raises(SettingError, match=said):
        done(Cluster(study, NodeStore(tmp_path / "out"), fake.joined, Silent()), [])


def test_a_worker_says_why_it_cannot_open_the_study(study: Study, tmp_path: Path) -> None:
    (tmp_path / "clients.csv").unlink()
    fake, store = Fake(tmp_path), NodeStore(tmp_path / "out")
    # The examples travel: the file need be nowhere else.
    assert len(done(Cluster(study, store, fake.joined, Silent()), pieces(study, store)[:1]).ended) == 1
