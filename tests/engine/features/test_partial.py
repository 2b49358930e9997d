"""An unfinished array: what a killed process left, and two processes that want the same one."""

import multiprocessing
import time
from pathlib import Path

import numpy as np
import pytest

from headstart.engine.features.partial import PartialArray

SHAPE, FACTS = (4, 3), {"contents": 4}


def start(path: Path) -> None:
    """Write two of four rows."""
    with PartialArray(path, seconds=0) as file:
        array = file.create(SHAPE, np.dtype(np.float32))
        array[:2] = 1
        file.keep(array, lambda: {**FACTS, "done": 2, "rows": 0})


def test_it_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    start(path)
    with PartialArray(path) as file:
        before = file.resume(FACTS)
        assert before is not None
        array, note = before
        assert note["done"] == 2
        array[2:] = 2
        finished = file.finish(array)
    assert finished[:, 0].tolist() == np.load(path)[:, 0].tolist() == [1, 1, 2, 2]
    finished[0] = 7
    assert np.load(path)[0, 0] == 1, "what is written later stays in memory"
    assert list(tmp_path.iterdir()) == [path]


def test_another_note_is_no_start(tmp_path: Path) -> None:
    start(tmp_path / "a.npy")
    with PartialArray(tmp_path / "a.npy") as file:
        assert file.resume({"contents": 5}) is None


def test_a_deleted_array_is_no_start_and_can_still_be_finished(tmp_path: Path) -> None:
    start(tmp_path / "a.npy")
    (tmp_path / "a.partial.npy").unlink()
    with PartialArray(tmp_path / "a.npy") as file:
        assert file.resume(FACTS) is None
        array = file.create(SHAPE, np.dtype(np.float64))
        array[:] = 3
        (tmp_path / "a.partial.npy").unlink()
        assert file.finish(array).tolist() == np.full(SHAPE, 3.0).tolist()
    assert list(tmp_path.iterdir()) == []


def fill(path: Path, entered: multiprocessing.Queue) -> None:  # type: ignore[type-arg]
    with PartialArray(path) as file:
        entered.put(path.exists())
        if not path.exists():
            array = file.create(SHAPE, np.dtype(np.float32))
            time.sleep(0.1)
            array[:] = 1
            file.finish(array)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_second_process_waits_and_finds_it_finished(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    entered = context.Queue()
    both = [context.Process(target=fill, args=(tmp_path / "a.npy", entered)) for _ in range(2)]
    for process in both:
        process.start()
    assert sorted(entered.get(timeout=120) for _ in both) == [False, True]
    for process in both:
        process.join()
    assert np.load(tmp_path / "a.npy").sum() == 12
