"""Pieces of arms: every node in one of them, none that the store has; done in any process, they leave the same."""

from pathlib import Path

import pytest

from headstart.core.progress import Silent
from headstart.study.run.nodes import NodeStore
from headstart.study.run.pipeline import Pipeline
from headstart.study.run.tuning import trial_arms
from headstart.study.run.work import TRIAL_VIEWS
from headstart.study.spread.doing import do_piece
from headstart.study.spread.pieces import head_pieces, run_pieces, start_pieces, trial_pieces
from headstart.study.study import Study
from headstart.study.written.arms import Arm
from tiny_study import open_tiny

FEDAVG = {"method": "fedavg", "rounds": 2}
TWICE = Arm("twice", "random", ["ridge", FEDAVG], {"method": "full_finetune", "epochs": 1})


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return open_tiny(tmp_path_factory.mktemp("study"))


def pipeline(study: Study, folder: Path) -> Pipeline:
    return study.pipeline(NodeStore(folder), 0, Silent())


def test_a_run_is_its_start_its_stages_and_the_rest(study: Study, tmp_path: Path) -> None:
    found = run_pieces(TWICE, pipeline(study, tmp_path), ("test",), 1.0)
    assert [one.kind for one in found] == ["start", "federate", "federate", "result"]
    assert [len(one.needs) for one in found] == [0, 1, 2, 3]
    assert set(found[-1].needs) == {key for one in found for key in one.makes}


def test_what_is_there_is_in_no_piece(study: Study, tmp_path: Path) -> None:
    one = pipeline(study, tmp_path)
    one.trunk(Arm("ridge", "random", "ridge"))
    found = run_pieces(TWICE, one, one.final_views, 1.0)
    assert [len(piece.needs) for piece in found] == [0, 1]
    one.result(TWICE, one.final_views)
    assert run_pieces(TWICE, one, one.final_views, 1.0) == []
    assert start_pieces([TWICE], one) == []


def test_pieces_leave_what_one_process_leaves(study: Study, tmp_path: Path) -> None:
    beside, alone = pipeline(study, tmp_path / "beside"), pipeline(study, tmp_path / "alone")
    trials = trial_arms(TWICE, 3, 0)
    for piece in trial_pieces(trials, beside, 1.0):
        assert not do_piece(piece, beside).failed
        assert all(beside.store.has(key) for key in piece.makes)
    for arm in trials:
        alone.result(arm, TRIAL_VIEWS)
        key = alone.leaf_key(alone.trunk_key(arm), arm.adapt, TRIAL_VIEWS)
        assert beside.store.facts(key)["metrics"] == alone.store.facts(key)["metrics"]
    assert trial_pieces(trials, beside, 1.0) == []


def test_trials_that_may_end_each_other_are_one_piece_and_others_are_not(study: Study, tmp_path: Path) -> None:
    one = pipeline(study, tmp_path)
    kept = Arm("kept", "random", FEDAVG)
    assert [piece.kind for piece in trial_pieces(trial_arms(TWICE, 2, 0), one, 1.0)].count("trials") == 1
    found = trial_pieces(trial_arms(kept, 2, 0), one, 1.0)
    assert [piece.kind for piece in found].count("result") == 2


def test_heads_go_together_after_their_starts(study: Study, tmp_path: Path) -> None:
    one = pipeline(study, tmp_path)
    arms = [Arm("ridge", "random", "ridge"), Arm("lda", "random", adapt="local_lda")]
    start, heads = head_pieces(arms, one, TRIAL_VIEWS)
    assert (start.kind, heads.kind, len(heads.arms)) == ("start", "heads", 2)
    assert heads.needs == start.makes
    for piece in (start, heads):
        do_piece(piece, one)
    assert head_pieces(arms, one, TRIAL_VIEWS) == []
    assert head_pieces([], one, TRIAL_VIEWS) == []
