"""Large cohorts: rounds by all workers, each with one sum of a block."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from headstart import Arm
from headstart.core.progress import Silent
from headstart.engine.heaviest import Heaviest
from headstart.engine.protocol import Adding
from headstart.engine.sums import Sum
from headstart.engine.ways.blocks import WORTH_BLOCKS
from headstart.study.run.nodes import NodeStore
from headstart.study.spread.board import Board
from headstart.study.spread.cluster.cohorts import is_large
from headstart.study.spread.cluster.hands import Cluster
from headstart.study.spread.cluster.link import Machine
from headstart.study.spread.cluster.parcels import packed_sum, unpacked_sum
from headstart.study.spread.piece import Piece
from headstart.study.study import Study
from study import made
from study.spread.cluster.fake import Fake, Hired
from tiny_study import close

FEDAVG = {"method": "fedavg", "rounds": 2, "client_lr": 0.1}


@pytest.fixture(scope="module")
def federation() -> Any:
    return made.table(clients=WORTH_BLOCKS + 40, rows=6)


def opened(federation: Any, **settings: Any) -> Study:
    arm = Arm("fedavg", start="random", federate={**FEDAVG, **settings})
    return Study(federation, [arm], baseline="fedavg", seeds=(0, 1, 2), backbone="linear", device="cpu")


def stage(study: Study, store: NodeStore) -> tuple[Piece, str]:
    """Return the federated stage as a piece, and its node's name."""
    pipeline, arm = study.pipeline(store, 0, Silent()), study.slate.arms[0]
    key = pipeline.trunk_key(arm)
    return Piece("federate", 0, (arm,), makes=(key,)), key


def run(study: Study, fake: Fake, store: NodeStore) -> Any:
    """Have the stage done; return its node."""
    piece, key = stage(study, store)
    with Cluster(study, store, fake.joined, Silent()) as cluster:
        board = Board()
        board.add([piece])
        while board.pending:
            cluster.go_on(board)
    assert not any(answer.failed for _, answer in board.ended)
    return store.get(key)


@pytest.mark.parametrize("workers", [1, 3])
def test_any_number_of_workers_gives_the_same_bits(federation: Any, tmp_path: Path, workers: int) -> None:
    study = opened(federation)
    fake = Fake(tmp_path, there=[Machine("a", "north", workers)])
    found = run(study, fake, NodeStore(tmp_path / "out"))
    two = run(opened(federation), Fake(tmp_path / "two"), NodeStore(tmp_path / "two" / "out"))
    assert fake.asked.count("add_up") > 2 * 2
    assert "do" not in fake.asked
    assert all(torch.equal(found.tree[name], value) for name, value in two.tree.items())
    pipeline = study.pipeline(NodeStore(tmp_path / "alone"), 0, Silent())
    pipeline.trunk(study.slate.arms[0])
    alone = pipeline.store.get(stage(study, pipeline.store)[1])
    assert alone is not None
    assert alone.tree is not None
    for name, value in alone.tree.items():
        torch.testing.assert_close(found.tree[name], value, atol=1e-5, rtol=1e-5)
    assert close(found.facts["traffic"], alone.facts["traffic"], 0)


def test_a_block_of_a_worker_that_died_is_done_by_another(federation: Any, tmp_path: Path) -> None:
    left = [2]

    def dies(_: Hired, what: str) -> bool:
        left[0] -= what == "add_up"
        return what == "add_up" and left[0] >= 0

    calm = run(opened(federation), Fake(tmp_path / "calm"), NodeStore(tmp_path / "calm" / "out"))
    found = run(opened(federation), Fake(tmp_path, dies=dies), NodeStore(tmp_path / "out"))
    assert all(torch.equal(found.tree[name], value) for name, value in calm.tree.items())


@pytest.mark.parametrize(
    ("settings", "expected"),
    [({}, True), ({"cohort_size": 10}, False), ({"aggregate": "median"}, False), ({"clip_norm": 1.0}, True)],
)
def test_which_stages_are_worth_all_workers(
    federation: Any, tmp_path: Path, settings: dict[str, Any], expected: bool
) -> None:
    study = opened(federation, **settings)
    piece, _ = stage(study, NodeStore(tmp_path))
    assert is_large(piece, study.lab) is expected
    assert not is_large(Piece("result", 0, piece.arms), study.lab)


def test_a_sum_arrives_as_it_was() -> None:
    heaviest = Heaviest()
    heaviest.note({"w": torch.tensor([[1.0], [2.0]])}, torch.tensor([1.0, 3.0]), np.array([4, 5]))
    privates = [(np.array([4, 5]), {"head": torch.ones(2, 3)}), (np.array([6]), {"head": torch.zeros(1, 3)})]
    sent = Sum(Adding(), {"w": torch.tensor([0.1])}, [], heaviest, 8, [(7, "it failed")], privates)
    found = unpacked_sum(sent.adding, *packed_sum(sent))
    assert found.total["w"].tolist() == sent.total["w"].tolist()
    assert found.heaviest.as_json() == heaviest.as_json()
    assert found.heaviest.update["w"].tolist() == [2.0]
    assert (found.upload, found.excluded) == (8, [(7, "it failed")])
    assert [(own.tolist(), tree["head"].tolist()) for own, tree in found.privates] == [
        (own.tolist(), tree["head"].tolist()) for own, tree in privates
    ]


def test_an_empty_sum_arrives() -> None:
    found = unpacked_sum(Adding(), *packed_sum(Sum(Adding())))
    assert (found.total, found.privates, found.heaviest.position) == ({}, [], None)
