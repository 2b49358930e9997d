"""The reference: plain training on everyone's rows."""

import numpy as np
import pytest
import torch

from headstart.data.federation import pooled_client
from headstart.engine.rounds import run_rounds
from headstart.engine.ways.serial import Serial
from headstart.federate import Pooled
from headstart.testing import World, open_world
from headstart.testing.compare import assert_same
from headstart.training.local import LocalTraining

from .reference import batches_of, train_client

LOCAL = LocalTraining(batch_size=8, client_lr=0.05, momentum=0.9)


@pytest.fixture(scope="module")
def world() -> World:
    return open_world("all", dtype=torch.float64)


def test_pooled_equals_plain_training(world: World) -> None:
    method = Pooled(epochs=3, local=LOCAL)
    (everyone,) = pooled_client(world.federation)
    run = run_rounds(method, world.model, world.params, [everyone], world.activations, engine=Serial(), seed=0)
    rows = batches_of(world, everyone, LOCAL, 3, (0, "round", 0))
    assert sorted(np.concatenate(rows)) == sorted(np.repeat(everyone.train, 3))
    assert_same("pooled", run.shared, train_client(world, world.params, everyone, LOCAL, rows), 1e-10)


def test_held_out_clients_are_not_pooled(world: World) -> None:
    (everyone,) = pooled_client(world.federation)
    unseen = [client for client in world.federation.clients if not client.seen]
    assert len(everyone.train) == sum(len(client.train) for client in world.federation.seen_clients)
    assert not set(everyone.train) & {row for client in unseen for row in client.train}
