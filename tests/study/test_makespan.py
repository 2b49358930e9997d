"""Pieces given out longest first, each after what it needs."""

import pytest

from headstart.study.makespan import Load, makespan

ONE = [Load(8.0, 8)]
TREE = [Load(3.0, 3), Load(6.0, 3, after=0), Load(12.0, 12, after=0)]
SCHEDULES = {
    "nothing": ([], 3, 0.0),
    "one process": (ONE, 1, 8.0),
    "shared out evenly": (ONE, 4, 2.0),
    "one piece is left over": (ONE, 3, 3.0),
    "no process has two halves": (ONE, 100, 1.0),
    "all one after another": (TREE, 1, 21.0),
    "the longest way": (TREE, 100, 3.0),
    "more runs than starts": ([Load(1.0), Load(4.0, 4, after=0)], 2, 3.0),
    "the long one begins first": ([Load(1.0), Load(1.0), Load(2.0)], 2, 2.0),
    "a long way begins first": ([Load(2.0), Load(1.0), Load(3.0, after=1)], 2, 4.0),
    "nothing left of a load": ([Load(0.0, 5), Load(5.0, 5, after=0)], 5, 1.0),
}


@pytest.mark.parametrize(("loads", "workers", "seconds"), SCHEDULES.values(), ids=SCHEDULES.keys())
def test_a_schedule_by_hand(loads: list[Load], workers: int, seconds: float) -> None:
    assert makespan(loads, workers) == pytest.approx(seconds)


@pytest.mark.parametrize("workers", [1, 2, 3, 5, 8, 40])
def test_no_schedule_beats_its_bounds(workers: int) -> None:
    """Nor does one take more than both together (Graham 1969)."""
    all_work, longest = sum(load.seconds for load in TREE), 3.0
    found = makespan(TREE, workers)
    assert max(all_work / workers, longest) <= found <= all_work / workers + longest
