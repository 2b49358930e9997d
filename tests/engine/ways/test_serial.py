"""The readable engine: one client after another, in the order asked for; one that fails ends nobody's work."""

from typing import Any

import pytest
import torch

from engine.ways.jobs import count, job_of, results_of
from headstart.core.errors import EngineError
from headstart.core.trees import Tree
from headstart.engine.protocol import Chunk, Engine, Failure
from headstart.engine.ways.fleet import Fleet
from headstart.engine.ways.serial import Serial
from headstart.models.model import Model
from headstart.testing import World
from headstart.training.client_data import ClientData


@pytest.mark.parametrize("order", [[0, 1, 2], [5, 0, 3]], ids=str)
def test_clients_are_done_in_the_order_asked_for(world: World, order: list[int]) -> None:
    job = job_of(world)
    results = results_of(Serial(), world, job, order)
    assert [list(result.positions) for result in results if isinstance(result, Chunk)] == [[p] for p in order]
    examples = torch.cat([result.results[0]["examples"] for result in results if isinstance(result, Chunk)])
    assert examples.tolist() == [len(job.clients.members[position].train) for position in order]


def test_a_client_that_fails_is_named_and_the_others_are_done(world: World) -> None:
    def picky(model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        if len(data.everything(model).labels) == 16:
            raise OSError("the disk is full")
        return count(model, shared, private, data)

    results = results_of(Serial(), world, job_of(world, picky))
    failures = {result.position: result.reason for result in results if isinstance(result, Failure)}
    (large,) = (i for i, client in enumerate(job_of(world).clients.members) if len(client.train) == 16)
    assert failures == {large: "OSError: the disk is full"}
    assert len(results) == len(job_of(world).clients.members)


@pytest.mark.parametrize("engine", [Serial(), Fleet(), Fleet(way="loop")], ids=["serial", "stack", "loop"])
@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("Expected all tensors to be on the same device, but found at least two devices"),
        EngineError("the engine itself failed"),
    ],
    ids=repr,
)
def test_a_fault_of_the_engine_is_no_clients(world: World, engine: Engine, error: Exception) -> None:
    def faulty(*arguments: Any) -> tuple[Tree, Tree]:
        raise error

    with pytest.raises(EngineError, match=r"memory ran out|two devices|the engine itself"):
        results_of(engine, world, job_of(world, faulty))
