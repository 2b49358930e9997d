"""Stages side by side: their walks are taken in step, their errors are their own."""

import threading
from typing import Any

import numpy as np
import pytest
import torch

from headstart.engine.clients import Clients
from headstart.engine.privates import PrivateStore
from headstart.engine.protocol import Chunk, Engine, Failure, Job
from headstart.engine.ways import together
from headstart.engine.ways.fleet import Fleet
from headstart.engine.ways.together import side_by_side
from headstart.testing import World, open_world
from headstart.training.dual import DualWalk
from headstart.training.local import LocalTraining


@pytest.fixture(scope="module")
def world() -> World:
    return open_world("head")


def head_job(world: World, lr: float) -> Any:
    """Every client trains its head for two epochs."""
    clients, local = world.federation.seen_clients, LocalTraining(client_lr=lr, batch_size=4)
    return Job(
        lambda model, shared, _, data: (local.fit(model, shared, data, 2),),
        world.model,
        Clients(clients, world.activations),
        PrivateStore({}, len(clients)),
    )


def task_of(world: World, found: list[Any], lr: float, times: int = 2) -> Any:
    """Train every client's head some times, and note what comes of it."""

    def task(engine: Engine) -> None:
        clients = world.federation.seen_clients
        with engine.crew(head_job(world, lr)) as crew:
            for turn in range(times):
                for result in crew.map(world.params, np.arange(len(clients)), (0, "round", turn)):
                    assert isinstance(result, Chunk)
                    found.append(result.results[0]["head.weight"].clone())

    return task


def test_walks_are_taken_in_step_and_are_those_of_one_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    rates, counts, alone = (0.1, 0.2, 0.3), list[int](), list[Any]()
    for lr in rates:
        task_of(world, alone, lr)(Fleet())
    real = together.descend_dual

    def counted(walks: Any) -> Any:
        counts.append(len(walks))
        return real(walks)

    monkeypatch.setattr(together, "descend_dual", counted)
    found: list[list[Any]] = [[] for _ in rates]
    assert side_by_side([task_of(world, *each) for each in zip(found, rates, strict=True)], Fleet()) == [None] * 3
    assert counts == [3, 3]
    assert all(torch.equal(*pair) for pair in zip([value for own in found for value in own], alone, strict=True))


def test_an_error_ends_its_own_task_alone(world: World) -> None:
    found: list[Any] = []

    def broken(engine: Engine) -> None:
        task_of(world, [], 0.1, times=1)(engine)
        raise ValueError("its disk is full")

    errors = side_by_side([task_of(world, found, 0.1, times=3), broken], Fleet())
    assert errors[0] is None
    assert isinstance(errors[1], ValueError)
    assert len(found) == 3
    assert threading.active_count() < 20


def test_a_walk_that_fails_fails_for_its_clients_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    real = together.descend_dual

    def poor(walks: list[DualWalk]) -> Any:
        if any(walk.lr == 0.2 for walk in walks):
            raise MemoryError
        return real(walks)

    monkeypatch.setattr(together, "descend_dual", poor)
    found: list[Any] = []
    failures: list[Any] = []

    def fails(engine: Engine) -> None:
        clients = world.federation.seen_clients
        with engine.crew(head_job(world, 0.2)) as crew:
            failures.extend(crew.map(world.params, np.arange(len(clients)), (0,)))

    assert side_by_side([task_of(world, found, 0.1), fails], Fleet()) == [None, None]
    assert len(found) == 2
    # One client alone trains with batches, whatever walks there are: nobody failed.
    assert not [one for one in failures if isinstance(one, Failure)]


def test_no_tasks_no_errors() -> None:
    assert side_by_side([], Fleet()) == []
