"""A few steps are taken, the others counted."""

import time
from collections.abc import Iterator

import pytest
import torch

from headstart.study.clock import Clock, Seconds
from headstart.testing.world import open_world
from headstart.training.client_data import Passes
from headstart.training.local import LocalTraining

RAW = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)


@pytest.fixture
def clock() -> Clock:
    """A client of 20 examples."""
    return Clock(RAW, 20)


@pytest.fixture
def model():
    return open_world("all").model


def busy(model, served: list[int], **passes):
    """Work that keeps its core busy for ten milliseconds a step."""

    def work(data) -> None:
        steps: Iterator = data.batches(model, Passes(**passes))
        for _ in steps:
            served.append(1)
            until = time.thread_time() + 0.01
            while time.thread_time() < until:
                pass

    return work


@pytest.mark.parametrize(
    ("passes", "steps"),
    [({"batch_size": 8, "epochs": 10}, 30), ({"batch_size": 20, "epochs": 5}, 5), ({"batch_size": 8, "steps": 40}, 40)],
)
def test_all_steps_are_counted_and_two_of_them_taken(clock, model, passes, steps):
    served: list[int] = []
    assert clock.steps("work", busy(model, served, **passes)) == steps
    assert clock.steps("work", busy(model, served, batch_size=1)) == steps
    assert not served
    found = clock.time("work", busy(model, served, **passes))
    assert len(served) in range(2, 63)
    assert found.steps == steps
    assert found.stepping >= steps * 0.01


def test_work_is_timed_once_by_its_name(clock, model):
    served: list[int] = []
    first = clock.time("work", busy(model, served, batch_size=8))
    before = len(served)
    assert clock.time("work", busy(model, served, batch_size=8)) is first
    assert len(served) == before


def test_real_training_can_be_timed(clock):
    world = open_world("all")
    fit = LocalTraining(batch_size=8).fit
    found = clock.time("fit", lambda data: fit(world.model, world.params, data, 4))
    assert found.steps == 12
    assert 0 < found.stepping < 60


def test_more_steps_take_more_time_and_the_rest_stays():
    assert Seconds(10, 2.0, 1.0).of(20) == pytest.approx(5.0)
    assert Seconds(0, 0.0, 1.0).of(0) == pytest.approx(1.0)
