"""Processes on this machine: one that dies is replaced, none outlives what began it."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType

import pytest

from headstart.core.errors import EngineError, SettingError
from headstart.core.machine import can_fork
from headstart.core.progress import Silent
from headstart.study.run.nodes import NodeStore
from headstart.study.run.pipeline import Pipeline
from headstart.study.spread import local
from headstart.study.spread.board import Board
from headstart.study.spread.local import Local, check_jobs, forked, in_words, spawned
from headstart.study.spread.pieces import run_pieces
from headstart.study.spread.process import shares
from headstart.study.spread.source import Source
from headstart.study.study import Study
from headstart.study.written.arms import Arm
from tiny_study import open_tiny

needs_fork = pytest.mark.skipif(not can_fork(), reason="this process cannot be cloned")
ARM = Arm("fedavg", "random", {"method": "fedavg", "rounds": 2})


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return open_tiny(tmp_path_factory.mktemp("study"))


@pytest.fixture
def pipelines(study: Study, tmp_path: Path) -> Callable[[int], Pipeline]:
    return lambda seed: study.pipeline(NodeStore(tmp_path), seed, Silent())


@pytest.fixture
def board(pipelines: Callable[[int], Pipeline]) -> Board:
    """Three runs of four pieces each."""
    board = Board()
    for seed in (0, 1, 2):
        board.add(run_pieces(ARM, pipelines(seed), ("val",), 1.0))
    return board


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def finish(hands: Local, board: Board) -> None:
    while not board.is_idle:
        hands.go_on(board)


def children() -> set[int]:
    """Processes that this one has begun and not seen the end of."""
    tasks = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return {int(child) for task in tasks for child in task.read_text().split()}


@needs_fork
def test_pieces_are_done_and_no_process_is_left(
    pipelines: Callable[[int], Pipeline], board: Board, tmp_path: Path
) -> None:
    before = children()
    with forked(pipelines, 2) as hands:
        finish(hands, board)
        assert len(children() - before) == hands.count == 2
    assert children() == before
    assert len(board.ended) == 9
    assert len(list((tmp_path / "nodes").iterdir())) == 9


@needs_fork
def test_a_process_killed_over_a_piece_is_replaced(
    pipelines: Callable[[int], Pipeline], board: Board, tmp_path: Path
) -> None:
    parent, killed = os.getpid(), tmp_path / "killed"

    def mortal(seed: int) -> Pipeline:
        if os.getpid() != parent and seed == 1 and not killed.exists():
            killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return pipelines(seed)

    before = children()
    with forked(mortal, 2) as hands:
        finish(hands, board)
        # One process may have done what was left; two pieces that may begin at once need both.
        for seed in (3, 4):
            board.add(run_pieces(ARM, pipelines(seed), ("val",), 1.0))
        hands.go_on(board)
        assert len(children() - before) == 2
        finish(hands, board)
    assert killed.exists()
    assert len(list((tmp_path / "nodes").iterdir())) == 15


@needs_fork
def test_processes_killed_while_they_have_nothing_to_do_are_replaced(
    pipelines: Callable[[int], Pipeline], board: Board, tmp_path: Path
) -> None:
    before = children()
    with forked(pipelines, 2) as hands:
        finish(hands, board)
        dead = children() - before
        for child in dead:
            os.kill(child, signal.SIGKILL)
            os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        board.add(run_pieces(ARM, pipelines(3), ("val",), 1.0))
        finish(hands, board)
        assert children() - before - dead
    assert len(list((tmp_path / "nodes").iterdir())) == 12


@needs_fork
def test_a_piece_that_kills_is_given_up(pipelines: Callable[[int], Pipeline], board: Board) -> None:
    parent = os.getpid()

    def fatal(seed: int) -> Pipeline:
        if os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return pipelines(seed)

    before = children()
    with pytest.raises(EngineError, match="3 processes died over fedavg, seed"), forked(fatal, 2) as hands:
        finish(hands, board)
    assert children() == before


@needs_fork
def test_every_process_keeps_to_its_cores(pipelines: Callable[[int], Pipeline], board: Board) -> None:
    before, all_cores = children(), os.sched_getaffinity(0)
    with forked(pipelines, 2) as hands:
        finish(hands, board)
        found = [os.sched_getaffinity(child) for child in children() - before]
    assert all(len(cores) == 1 for cores in found)
    assert set().union(*found) <= all_cores
    assert os.sched_getaffinity(0) == all_cores


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_cores_are_shared_evenly(count: int) -> None:
    found = shares(count)
    sizes = [len(cores) for cores in found]
    assert len(found) == count
    assert min(sizes) >= 1
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.slow
def test_new_processes_open_the_study_themselves(
    study: Study, board: Board, pipelines: Callable[[int], Pipeline], tmp_path: Path
) -> None:
    source = Source(study.file.text, study.file.folder, tmp_path, None)
    with spawned(source, 2, 1) as hands:
        finish(hands, board)
    assert len(list((tmp_path / "nodes").iterdir())) == 9


@pytest.mark.slow
def test_new_processes_do_not_run_the_program_again(
    study: Study, board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = ModuleType("__main__")
    program.__file__ = str(tmp_path / "program.py")
    (tmp_path / "program.py").write_text("raise SystemExit('the study, with no guard')\n")
    monkeypatch.setitem(sys.modules, "__main__", program)
    with spawned(Source(study.file.text, study.file.folder, tmp_path, None), 1, 1) as hands:
        hands.go_on(board)
    assert len(board.ended) == 1
    assert sys.modules["__main__"] is program


@pytest.mark.parametrize("jobs", [0, -1, True, "2", 1.5])
def test_other_numbers_of_jobs_are_refused(jobs: int) -> None:
    with pytest.raises(SettingError, match="jobs: must be a whole number of processes, 1 or more, received"):
        check_jobs(jobs)


def test_sites_are_no_processes_of_this_machine() -> None:
    check_jobs(1, is_here=False)
    with pytest.raises(SettingError, match="jobs: must be 1 where clients work at their sites, received 2"):
        check_jobs(2, is_here=False)


def test_words_for_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "num_cores", lambda: 4)
    assert [in_words(jobs) for jobs in (2, 3, 4, 5)] == [
        "2 processes, 2 cores each",
        "3 processes, 1 or more core each",
        "4 processes, 1 core each",
        "5 processes share 4 cores, which is seldom faster than 4 processes",
    ]
