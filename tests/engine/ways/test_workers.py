"""Clients in several processes, and processes that die."""

import errno
import os
import resource
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.ways.jobs import FORKS, WORKERS, count, job_of, results_of
from headstart.core import trees
from headstart.core.errors import EngineError
from headstart.core.trees import Tree
from headstart.engine.clients import Clients
from headstart.engine.protocol import Chunk, Failure
from headstart.engine.rounds import run_rounds
from headstart.engine.ways.fleet import Fleet
from headstart.engine.ways.placement import Placement
from headstart.engine.ways.workers import SLOT_BYTES, Workers
from headstart.federate import FedAvg, Schedule
from headstart.models.model import Model
from headstart.testing import World, open_world
from headstart.testing.compare import assert_same
from headstart.training.client_data import ClientData, Passes
from headstart.training.local import LocalTraining


@FORKS
def test_workers_answer_longest_client_first_whoever_is_done_first(world: World) -> None:
    job = job_of(world)
    done = [result.positions[0] for result in results_of(WORKERS, world, job)]  # type: ignore[union-attr]
    sizes = [len(job.clients.members[position].train) for position in done]
    assert sizes == sorted(sizes, reverse=True)


@FORKS
def test_a_worker_killed_in_the_middle_changes_nothing(world: World, tmp_path: Path) -> None:
    """The first process to meet the largest client dies on it; another does it again."""
    parent, mark = os.getpid(), tmp_path / "died"

    def deadly(model: Model, shared: Tree, private: Tree, data: Any) -> tuple[Tree, Tree]:
        if data.ids == ["c3"] and os.getpid() != parent and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return count(model, shared, private, data)

    killed, calm = (results_of(WORKERS, world, job_of(world, work)) for work in (deadly, count))
    assert mark.exists()
    assert [r.positions for r in killed] == [r.positions for r in calm]  # type: ignore[union-attr]
    again, once = (trees.stack([r.results[0] for r in results]) for results in (killed, calm))  # type: ignore[union-attr]
    assert_same("results", again, once)


@FORKS
def test_a_worker_that_dies_again_and_again_is_the_engines_fault(world: World) -> None:
    parent = os.getpid()

    def deadly(model: Model, shared: Tree, private: Tree, data: Any) -> tuple[Tree, Tree]:
        if data.ids == ["c3"] and os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return count(model, shared, private, data)

    with pytest.raises(EngineError, match=r"died 3 times over client 'c3' \(ended by SIGKILL\); is there"):
        results_of(WORKERS, world, job_of(world, deadly))


@FORKS
@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("Unable to handle autograd's threading in combination with fork")], ids=repr
)
def test_a_fault_of_the_engine_in_a_worker_is_no_clients(world: World, error: Exception) -> None:
    parent = os.getpid()

    def short(*arguments: Any) -> tuple[Tree, Tree]:
        if os.getpid() != parent:
            raise error
        return count(*arguments)

    with pytest.raises(EngineError, match=r"memory ran out|forked beside a card"):
        results_of(WORKERS, world, job_of(world, short))


@FORKS
def test_a_worker_that_may_take_no_more_memory_says_so(world: World) -> None:
    """What the system really says: PyTorch's own error, of a limit on memory."""
    parent = os.getpid()

    def large(*arguments: Any) -> tuple[Tree, Tree]:
        if os.getpid() != parent:
            taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (taken + 2**28, taken + 2**28))
            torch.ones(2**30, dtype=torch.uint8)
        return count(*arguments)

    with pytest.raises(EngineError, match=r"memory ran out \(RuntimeError: .*DefaultCPUAllocator"):
        results_of(WORKERS, world, job_of(world, large))


@FORKS
def test_a_client_that_fails_in_a_worker_stays_a_client(world: World) -> None:
    def picky(model: Model, shared: Tree, private: Tree, data: Any) -> tuple[Tree, Tree]:
        if data.ids == ["c3"]:
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
        return count(model, shared, private, data)

    results = results_of(WORKERS, world, job_of(world, picky))
    assert ["mat1" in one.reason for one in results if isinstance(one, Failure)] == [True]
    assert len(results) == 6


@FORKS
def test_a_system_without_processes_is_no_clients_fault(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refuse)
    with pytest.raises(EngineError, match="a process could not be started"):
        results_of(WORKERS, world, job_of(world))


def test_workers_are_none_where_this_process_may_not_be_cloned(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.accelerator.is_available", lambda: True)
    assert WORKERS.placement(job_of(world)) == Placement("workers", 1)
    assert all(isinstance(result, Chunk) for result in results_of(WORKERS, world, job_of(world)))


@FORKS
@pytest.mark.parametrize("trainable", ["head", "all"])
def test_any_number_of_workers_gives_the_same_bits(trainable: Any) -> None:
    world = open_world(trainable)
    method = FedAvg(trainable=trainable, local=LocalTraining(batch_size=4, momentum=0.9), schedule=Schedule(rounds=2))
    clients = world.federation.seen_clients

    def run(engine: Fleet) -> Tree:
        return run_rounds(method, world.model, world.params, clients, world.activations, engine=engine, seed=0).shared

    alone, two, three = (run(Fleet(way="workers", workers=count)) for count in (1, 2, 3))
    assert_same("one worker and two", alone, two)
    assert_same("one worker and three", alone, three)


@FORKS
def test_workers_follow_an_order_that_was_fixed_for_whole_clients(world: World) -> None:
    """Nobody may ask such an order about a part of a client; and it is processes that follow it."""
    sizes = {client.id: len(client.train) for client in world.federation.clients}

    def fixed(ids: Sequence[str], labels: Sequence[np.ndarray], passes: Passes, key: object) -> np.ndarray:
        assert [len(own) for own in labels] == [sizes[name] for name in ids]
        return np.arange(len(labels[0])).reshape(1, 1, -1)

    def who(model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        list(data.batches(model, Passes(batch_size=16)))
        return {"process": torch.tensor(os.getpid())}, {}

    job = job_of(world, who)
    job = replace(job, clients=Clients(job.clients.members, world.activations, fixed))
    results = results_of(WORKERS, world, job)
    assert all(isinstance(result, Chunk) for result in results)
    pids = [int(result.results[0]["process"]) for result in results]  # type: ignore[union-attr]
    assert os.getpid() not in pids[:-1]


@FORKS
def test_few_results_wait_where_one_is_large(world: World) -> None:
    def large(*arguments: Any) -> tuple[Tree, Tree]:
        return {"sums": torch.zeros(2**20, dtype=torch.float64)}, {}

    job = job_of(world, large)
    with Workers(job, 2, slots=10_000) as workers:
        done = sum(1 for _ in workers.map(world.params, np.arange(len(job.clients.members)), (0, "test")))
    assert done == len(job.clients.members)
    assert workers.slots == SLOT_BYTES // 2**23
