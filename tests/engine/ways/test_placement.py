"""The cheapest way to do a round, from measured steps."""

import pytest

from headstart.engine.ways.placement import Placement, Timings, cheapest, name_of

LOOP = {name_of(threads, channels_last=last): 0.010 for threads in (1, 2) for last in (False, True)}
ROUND = {"clients": 20, "steps": 5.0, "cores": 2, "workers": 2}


def timings(stack: float | None = None, slowdown: float = 1.0, **loop: float) -> Timings:
    return Timings({**LOOP, **loop}, stack, slowdown)


CHEAPEST = {
    "a quick stack": (timings(stack=0.001), {}, Placement("stack")),
    "two processes": (timings(stack=0.009), {}, Placement("workers", 2)),
    "a slow stack": (timings(stack=0.02), {"workers": 1}, Placement("loop")),
    "processes that hinder each other": (timings(slowdown=2.1), {}, Placement("loop")),
    "too little work to fork for": (timings(), {"clients": 1, "steps": 4.0}, Placement("loop")),
    "a second thread": (timings(**{"2": 0.004}), {}, Placement("loop", threads=2)),
    "another layout": (timings(**{"1, channels last": 0.002}), {"workers": 1}, Placement("loop", channels_last=True)),
}


@pytest.mark.parametrize(("measured", "changes", "expected"), CHEAPEST.values(), ids=CHEAPEST.keys())
def test_the_cheapest_way_is_taken(measured: Timings, changes: dict[str, float], expected: Placement) -> None:
    assert cheapest(measured, **{**ROUND, **changes}) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("placement", "words"),
    [
        (Placement("stack"), "all clients at once"),
        (Placement("workers", 3), "clients in 3 processes"),
        (Placement("loop"), "one client after another, 1 thread"),
        (Placement("loop", threads=2), "one client after another, 2 threads"),
    ],
)
def test_a_placement_says_what_it_is(placement: Placement, words: str) -> None:
    assert str(placement) == words
