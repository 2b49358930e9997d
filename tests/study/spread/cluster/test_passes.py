"""Frozen passes in blocks: each row once, whoever computes it, and never by a worker for itself alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from headstart import Arm
from headstart.core.progress import Silent
from headstart.core.ragged import Ragged
from headstart.data.federation import Federation
from headstart.engine.features.activations import Activations
from headstart.engine.features.extraction import Recipe
from headstart.models.model import cut_at
from headstart.study.run.nodes import NodeStore
from headstart.study.spread.board import Board
from headstart.study.spread.cluster.hands import Cluster
from headstart.study.spread.cluster.passes import BLOCK
from headstart.study.spread.piece import Piece
from headstart.study.study import Study
from study import made
from study.spread.cluster.fake import Fake
from tiny_study import close

RIDGE = Arm("ridge", start="random", federate="ridge")
LOCAL = Arm("local-ridge", start="random", adapt="local_ridge")


def opened(federation: Federation, **settings: Any) -> Study:
    settings = {"baseline": "ridge", "seeds": (0, 1, 2), "backbone": "small-cnn", "device": "cpu", **settings}
    return Study(federation, [RIDGE, LOCAL], **settings)


def heads(study: Study, store: NodeStore, seed: int) -> list[Piece]:
    pipeline = study.pipeline(store, seed, Silent())
    starts = tuple({pipeline.start_key(arm.start) for arm in study.slate.arms})
    first = Piece("start", seed, study.slate.arms[:1], makes=starts)
    return [first, Piece("heads", seed, tuple(study.slate.arms), pipeline.final_views, needs=starts)]


def test_rows_are_computed_once_by_all_and_given_to_all(tmp_path: Path) -> None:
    study, alone = (opened(made.images(rows=100)) for _ in range(2))
    fake, store = Fake(tmp_path), NodeStore(tmp_path / "out")
    with Cluster(study, store, fake.joined, Silent()) as cluster:
        board = Board()
        board.add(heads(study, store, 0))
        while board.pending:
            cluster.go_on(board)
    rows = len(study.lab.federation.examples)
    assert rows > BLOCK
    assert fake.asked.count("features") == -(-rows // BLOCK)
    pipeline = alone.pipeline(NodeStore(tmp_path / "alone"), 0, Silent())
    for arm in alone.slate.arms:
        key = pipeline.leaf_key(pipeline.trunk_key(arm), arm.adapt, pipeline.final_views)
        found = store.facts(key)["metrics"]
        assert close(found, dict(pipeline.result(arm, pipeline.final_views).facts["metrics"]), 1e-5)


def test_afterwards_the_lab_computes_for_itself(tmp_path: Path) -> None:
    study, fake = opened(made.images(rows=100)), Fake(tmp_path)
    with Cluster(study, NodeStore(tmp_path / "out"), fake.joined, Silent()):
        pass
    pipeline = study.pipeline(NodeStore(tmp_path / "out"), 0, Silent())
    pipeline.result(RIDGE, pipeline.final_views)
    assert "features" not in fake.asked


def test_blocks_put_together_are_the_whole(tmp_path: Path) -> None:
    study = opened(made.images(rows=20))
    lab = study.lab
    network, weights = lab.build(0, from_scratch=True)
    model, _ = cut_at(network, weights, "head")
    whole = Activations(lab.federation.examples, tmp_path)
    blocks = [whole.part(slice(first, first + 32), Recipe()).at(model) for first in range(0, len(whole.examples), 32)]
    found = np.concatenate([np.asarray(block) for block in blocks])
    np.testing.assert_allclose(found, np.asarray(whole.at(model)), atol=1e-5)
    assert len(found) == len(whole.examples)
    assert whole.is_stored(whole.key(model))


def test_what_was_computed_elsewhere_is_kept_on_disk(tmp_path: Path) -> None:
    examples = made.images(rows=5).examples
    first, again = (Activations(examples, tmp_path) for _ in range(2))
    study = opened(made.images(rows=20))
    model, _ = cut_at(*study.lab.build(0, from_scratch=True), "head")
    numbers = np.ones((len(examples), 3), np.float32)
    first.store(first.key(model), numbers)
    np.testing.assert_array_equal(np.asarray(again.at(model)), numbers)


def test_ragged_examples_can_be_taken_in_parts() -> None:
    federation = made.images(rows=5)
    texts = Ragged.of([np.arange(row % 3 + 1, dtype=np.int32) for row in range(len(federation.examples))])
    examples = replace(federation.examples, kind="text", inputs=texts)
    part = Activations(examples).part(slice(2, 5), Recipe())
    assert [row.tolist() for row in part.examples.inputs] == [[0, 1, 2], [0], [0, 1]]
