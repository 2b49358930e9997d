"""Every way to do a job: as stacks cut into chunks that fit, one by one, in processes."""

import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from headstart.core import trees
from headstart.core.machine import can_fork
from headstart.core.trees import Tree
from headstart.data.federation import Client
from headstart.engine.clients import Clients
from headstart.engine.privates import ByClient, PrivateStore
from headstart.engine.protocol import Chunk, Failure, Job
from headstart.engine.rounds import run_rounds
from headstart.engine.ways.fleet import Fleet
from headstart.engine.ways.serial import Serial
from headstart.federate import FedAvg, Schedule
from headstart.models.model import Model
from headstart.testing import World, open_world
from headstart.testing.compare import Breaking, assert_same
from headstart.training.client_data import ClientData, Passes
from headstart.training.local import LocalTraining

FORKS = pytest.mark.skipif(not can_fork(), reason="this system cannot fork")
WORKERS = Fleet(way="workers", workers=2)


@pytest.fixture(scope="module")
def world() -> World:
    return open_world("head")


def per_chunk(world: World, clients: int) -> Fleet:
    """A fleet whose chunks hold so many clients: the widest has 16 examples, each feature is counted four times."""
    head = world.model.num_trainable
    return Fleet(chunk_bytes=clients * 16 * (16 * world.model.network.num_features + head))


def count(model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
    """Number of examples, and the private tree plus one."""
    batch = data.everything(model)
    return {"examples": batch.weights.sum(-1)}, trees.map_tree(lambda value: value + 1, private)


def job_of(world: World, work: Any = count) -> Job:
    clients = [client for client in world.federation.clients if len(client.train)]
    privates = PrivateStore({"position": torch.tensor(0.0)}, len(clients))
    privates.put(np.arange(len(clients)), {"position": torch.arange(len(clients), dtype=torch.float32)})
    return Job(work, world.model, Clients(clients, world.activations), privates, cohort_size=len(clients))


def results_of(engine: Any, world: World, job: Job, positions: Any = None) -> list[Chunk | Failure]:
    """Results, copied out of memory that is used again."""
    everyone = np.arange(len(job.clients.members)) if positions is None else np.array(positions, dtype=np.int64)
    with engine.crew(job) as crew:
        return [
            Chunk(r.positions, tuple(trees.clone(tree) for tree in r.results)) if isinstance(r, Chunk) else r
            for r in crew.map(world.params, everyone, (0, "test"))
        ]


@pytest.mark.parametrize("size", [1, 2, 4, 6, 100, "loop", pytest.param("workers", marks=FORKS)])
def test_every_client_is_done_once_with_its_own_private_tree(world: World, size: Any) -> None:
    job, found = job_of(world), {}
    engine = per_chunk(world, size) if isinstance(size, int) else Fleet(way=size, workers=2)
    results = results_of(engine, world, job)
    widest = max(len(r.positions) for r in results if isinstance(r, Chunk))
    assert widest == (min(size, 6) if isinstance(size, int) else 1)
    chunks = [result for result in results if isinstance(result, Chunk)]
    for positions, (updates, privates) in ((chunk.positions, chunk.results) for chunk in chunks):
        examples, private = updates["examples"].tolist(), privates["position"].tolist()
        found |= dict(zip(positions, zip(examples, private, strict=True), strict=True))
    assert len(chunks) == len(results)
    assert found == {i: (len(c.train), i + 1) for i, c in enumerate(job.clients.members)}


@pytest.mark.parametrize("size", [1, 2, 4, 100, pytest.param("workers", marks=FORKS)])
def test_a_chunk_that_fails_is_done_again_to_find_the_culprit(world: World, size: Any) -> None:
    job, engine = job_of(world), per_chunk(world, size) if isinstance(size, int) else WORKERS
    results = results_of(Breaking(engine, raises="c4", diverges=""), world, job)
    failures = [result for result in results if isinstance(result, Failure)]
    assert [(job.clients.members[f.position].id, f.reason) for f in failures] == [("c4", "OSError: the disk is full")]
    done = sorted(p for r in results if isinstance(r, Chunk) for p in r.positions)
    assert [job.clients.members[p].id for p in done] == ["c0", "c1", "c3", "c5", "c6"]


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
def test_a_client_that_kills_every_worker_is_given_up(world: World) -> None:
    parent = os.getpid()

    def deadly(model: Model, shared: Tree, private: Tree, data: Any) -> tuple[Tree, Tree]:
        if data.ids == ["c3"] and os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return count(model, shared, private, data)

    results = results_of(WORKERS, world, job_of(world, deadly))
    failures = [result for result in results if isinstance(result, Failure)]
    assert ["died 3 times" in failure.reason for failure in failures] == [True]
    assert len(results) == 6


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


@pytest.mark.parametrize("engine", [Serial(), Fleet(), pytest.param(WORKERS, marks=FORKS)], ids=str)
def test_no_clients_no_results(world: World, engine: Any) -> None:
    assert results_of(engine, world, job_of(world), []) == []


@pytest.mark.parametrize("engine", [Serial(), Fleet()], ids=str)
def test_what_ends_the_program_is_not_a_clients_failure(world: World, engine: Any) -> None:
    def interrupted(model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, ...]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        results_of(engine, world, job_of(world, interrupted))


def test_a_calibration_is_done_once_and_kept(tmp_path: Path) -> None:
    world = open_world("all")
    job = job_of(world)
    first = Fleet(folder=tmp_path).placement(job)
    (path,) = tmp_path.glob("*.json")
    before = path.stat().st_mtime_ns
    assert Fleet(folder=tmp_path).placement(job) == first
    assert path.stat().st_mtime_ns == before


def test_private_trees_are_seen_by_who_looks_between_rounds() -> None:
    """The mapping of a stage grows with the clients who take part, although it was looked at when empty."""
    store = PrivateStore({"head": torch.zeros(2)}, 3)
    clients = [Client(f"c{i}", *[np.empty(0, dtype=np.int64)] * 3) for i in range(3)]
    privates = ByClient(store, clients)
    assert dict(privates) == {}
    store.put(np.array([2]), {"head": torch.ones(1, 2)})
    assert list(privates) == ["c2"]
    assert privates["c2"]["head"].tolist() == [1, 1]
    assert store.some(np.array([0, 2]))["head"].tolist() == [[0, 0], [1, 1]]


def test_a_batch_larger_than_the_data_can_be_calibrated() -> None:
    world = open_world("all")
    job = replace(job_of(world), batch_size=len(world.federation.examples) + 5)
    assert Fleet().placement(job).way in ("stack", "loop", "workers")


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
