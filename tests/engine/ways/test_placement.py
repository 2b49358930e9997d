"""The cheapest way to do a round, from measured steps; and what is said and kept of it."""

from typing import Any

import pytest

from headstart.engine.ways.placement import Placement, cheapest, read_placement

STACK, WORKERS, LOOP = Placement("stack"), Placement("workers", 2), Placement("loop", threads=2)
LAST = Placement("workers", 2, channels_last=True)
CHEAPEST = {
    "a quick stack": ({STACK: 0.001, WORKERS: 0.010}, {}, STACK),
    "two processes": ({STACK: 0.009, WORKERS: 0.010}, {}, WORKERS),
    "one client alone": ({WORKERS: 0.010, LOOP: 0.006}, {"clients": 1}, LOOP),
    "processes that hinder each other": ({WORKERS: 0.015, LOOP: 0.006}, {}, LOOP),
    "another layout": ({WORKERS: 0.010, LAST: 0.008}, {}, LAST),
    "the first of equals": ({WORKERS: 0.010, LAST: 0.010}, {}, WORKERS),
}


@pytest.mark.parametrize(("seconds", "changes", "expected"), CHEAPEST.values(), ids=CHEAPEST.keys())
def test_the_cheapest_way_is_taken(seconds: dict[Placement, float], changes: Any, expected: Placement) -> None:
    assert cheapest(seconds, **{"clients": 20, "steps": 5.0, **changes}) == expected


@pytest.mark.parametrize(
    ("placement", "words"),
    [
        (Placement("stack"), "all clients at once"),
        (Placement("workers", 3), "clients in 3 processes"),
        (Placement("workers"), "one client after another, 1 thread"),
        (Placement("loop"), "one client after another, 1 thread"),
        (Placement("loop", threads=2), "one client after another, 2 threads"),
        (Placement("grouped", group=5), "5 clients at a time as one network"),
        (Placement("grouped", 2, group=5), "5 clients at a time as one network, in 2 processes"),
        (Placement("grouped", group=0), "all clients as one network"),
    ],
)
def test_a_placement_says_what_it_is(placement: Placement, words: str) -> None:
    assert str(placement) == words


@pytest.mark.parametrize("placement", [STACK, LAST, LOOP, Placement("grouped", 2, group=5)])
def test_what_lasts_is_read_as_it_was_written(placement: Placement) -> None:
    assert read_placement(placement.as_json()) == placement.lasting


@pytest.mark.parametrize(
    "broken",
    [
        None,
        [],
        "stack",
        {},
        {"way": "stack"},
        {"way": ["stack"], "channels_last": False, "group": 1},
        {"way": "stack", "channels_last": 1, "group": 1},
        {"way": "grouped", "channels_last": False, "group": -1},
        {"way": "grouped", "channels_last": False, "group": True},
    ],
)
def test_what_was_never_written_is_no_placement(broken: Any) -> None:
    assert read_placement(broken) is None
