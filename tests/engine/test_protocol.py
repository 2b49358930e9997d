"""What results of a job look like, and what a client's failure says."""

from dataclasses import replace

import pytest
import torch

from engine.ways.jobs import count, job_of
from headstart.engine.protocol import Failure, chunk_of, failure_of
from headstart.testing import World, open_world


@pytest.fixture
def world() -> World:
    return open_world("head")


def test_results_are_handed_on_or_finished(world: World) -> None:
    job, stack = job_of(world, count), ({"w": torch.ones(2, 3)},)
    assert chunk_of(job, [4, 1], stack).results == stack
    finishing = replace(job, finish=lambda positions, results: [len(results), *positions])
    finished = chunk_of(finishing, [4, 1], stack)
    assert (finished.results, finished.finished) == ((), [1, 4, 1])


def test_a_failure_names_its_error() -> None:
    assert failure_of(3, ValueError("no rows")) == Failure(3, "ValueError: no rows")


def test_a_job_counts_what_one_client_trains(world: World) -> None:
    job = job_of(world)
    assert job.num_bytes == sum(value.numel() for value in world.params.values()) * job.dtype.itemsize
