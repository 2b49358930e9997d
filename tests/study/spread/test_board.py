"""The board: what begins, in which order, and what becomes of pieces that fail."""

import json

import pytest

from headstart.core.errors import ClientError, EngineError
from headstart.study.spread.answer import Answer
from headstart.study.spread.board import MOST_DEATHS, Board
from headstart.study.spread.piece import Kind, Piece, read_piece
from headstart.study.written.arms import Arm

FEDAVG = Arm("fedavg", "random", {"method": "fedavg", "rounds": 3, "client_lr": 0.1 + 0.2})


def piece(kind: Kind = "result", seed: int = 0, *, arm: Arm = FEDAVG, **more: object) -> Piece:
    return Piece(kind, seed, (arm,), **more)  # type: ignore[arg-type]


def test_a_piece_is_plain_data() -> None:
    said = piece(views=("val",), makes=("a",), needs=("b", "c"), size=1.5)
    again = read_piece(json.loads(json.dumps(said.as_json())))
    assert again == said
    assert again.key == said.key


def test_a_piece_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(EngineError, match="received 'shell'"):
        read_piece({**piece().as_json(), "kind": "shell"})


def test_a_name_is_no_part_of_a_key_but_all_else_is() -> None:
    other = Arm("other", FEDAVG.start, FEDAVG.federate, FEDAVG.adapt)
    assert piece(arm=other).key == piece().key
    keys = {piece().key, piece("trials").key, piece(seed=1).key, piece(views=("val",)).key, piece(makes=("a",)).key}
    assert len(keys) == 4


def test_larger_ones_begin_first_and_each_after_what_it_needs() -> None:
    board = Board()
    federate = piece("federate", makes=("node",), size=1)
    board.add([piece(seed=1, size=2), piece(seed=0, needs=("node",), size=5), federate])
    assert [one and one.seed for one in (board.next(), board.next(), board.next())] == [1, 0, None]
    board.end(federate, Answer())
    assert board.next() == piece(seed=0, needs=("node",), size=5)
    assert board.next() is None
    assert not board.is_idle


def test_a_node_is_made_once() -> None:
    board = Board()
    board.add([piece("start", seed=0, makes=("node",)), piece("start", seed=1, makes=("node",))])
    board.add([piece(), piece()])
    assert len(board.pending) == 2
    assert board.to_be_made == {"node"}


def test_heads_that_leave_what_others_leave_too_are_still_done() -> None:
    board = Board()
    board.add([piece("heads", views=("val",), makes=("node",)), piece("heads", views=("test",), makes=("node",))])
    assert len(board.pending) == 2


def test_what_failed_is_told_to_those_who_need_it() -> None:
    board = Board()
    federate, whole = piece("federate", makes=("node",)), piece(needs=("node",))
    board.add([federate, whole])
    assert board.next() == federate
    board.end(federate, Answer({"node": ClientError("all failed"), "other": ClientError("not its own")}))
    found = board.next()
    assert found is not None
    assert found.failed == {"node": ["ClientError", "all failed"]}
    assert found.key == whole.key
    assert board.ended.popleft()[0] == federate


def test_nothing_begins_late() -> None:
    late = [False]
    board = Board(lambda: late[0])
    board.add([piece(seed=0), piece(seed=1)])
    first = board.next()
    late[0] = True
    assert board.next() is None
    assert not board.is_idle, "what is under way ends"
    assert first is not None
    board.end(first, Answer())
    assert board.is_idle


def test_a_piece_whose_process_dies_is_begun_again_but_not_for_ever() -> None:
    board = Board()
    board.add([piece(size=1), piece(seed=1, size=2)])
    big = board.next()
    for _ in range(MOST_DEATHS - 1):
        assert big is not None
        board.again(big)
        big = board.next()
        assert big is not None
        assert big.seed == 1
    with pytest.raises(EngineError, match=r"3 processes died over fedavg, seed 1; .* run fewer jobs"):
        board.again(big)  # type: ignore[arg-type]
