"""How long one run of a stage takes: heads have their features, which are made once."""

from headstart.study.durations import Took
from headstart.study.estimate import Branch, seconds_of


def test_what_work_takes_adds_up() -> None:
    assert Took(1.0, 2.0) + Took(3.0, 4.0) == Took(4.0, 6.0)
    assert sum([Took(1.0, 1.0)] * 2, Took()) == Took(2.0, 2.0)


def test_several_processes_take_their_longest_way_at_least() -> None:
    start = Branch(("start",), 1.0, (), done=False, runs=2, alone=2.0)
    rounds = Branch(("start", "rounds"), 3.0, ("arm",), done=False, runs=2, alone=6.0)
    assert [seconds_of([start, rounds], count) for count in (1, 2, 50)] == [8.0, 4.0, 4.0]
