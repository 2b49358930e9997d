"""Processes are begun where they pay; who does a client changes nothing."""

import os
from typing import Any

import numpy as np
import pytest
import torch

from engine.ways.jobs import FORKS, count, job_of
from headstart.core.trees import Tree
from headstart.engine.protocol import Chunk, Failure, Job
from headstart.engine.ways.sparing import Sparing
from headstart.engine.ways.workers import Workers, longest_first
from headstart.testing import World


def who(*arguments: Any) -> tuple[Tree, Tree]:
    return {"process": torch.tensor(os.getpid())}, {}


def done(job: Job, *, worth: float, rounds: int = 1) -> list[list[Chunk | Failure]]:
    everyone = np.arange(len(job.clients.members))
    with Workers(job, 2, 8) as workers:
        crew = Sparing(job, workers, worth=worth)
        return [list(crew.map({"x": torch.zeros(1)}, everyone, (0, "round", turn))) for turn in range(rounds)]


def processes(results: list[Chunk | Failure]) -> list[int]:
    return [int(one.results[0]["process"]) for one in results if isinstance(one, Chunk)]


@FORKS
def test_little_work_is_done_here(world: World) -> None:
    rounds = done(job_of(world, who), worth=1e9, rounds=2)
    assert {process for results in rounds for process in processes(results)} == {os.getpid()}


@FORKS
def test_much_work_is_done_in_processes_once_that_is_known(world: World) -> None:
    first, second = done(job_of(world, who), worth=0.0, rounds=2)
    assert os.getpid() in processes(first)
    assert os.getpid() not in processes(second)


@FORKS
@pytest.mark.parametrize("worth", [0.0, 1e9])
def test_the_order_is_the_same_wherever_clients_are_done(world: World, worth: float) -> None:
    job = job_of(world, count)
    (found,) = done(job, worth=worth)
    sizes = [int(one.results[0]["examples"]) for one in found if isinstance(one, Chunk)]
    everyone = np.arange(len(job.clients.members))
    assert sizes == sorted(job.clients.rows.sizes(everyone).tolist(), reverse=True)
    assert [one.positions[0] for one in found if isinstance(one, Chunk)] == np.concatenate(
        longest_first(job, everyone, 1)
    ).tolist()


def test_without_processes_all_is_done_here(world: World) -> None:
    job = job_of(world, who)
    found = list(Sparing(job).map({}, np.arange(len(job.clients.members)), (0, "round", 0)))
    assert processes(found) == [os.getpid()] * len(job.clients.members)
    assert list(Sparing(job).map({}, np.arange(0), (0, "round", 0))) == []
