"""Training on a pool: its steps are those of a record where they are recorded, whatever their size is by now."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from headstart.engine.clients import Clients
from headstart.engine.ways.graphs import Graphs
from headstart.start.course import train_until_stale
from headstart.start.protocol import Central
from headstart.testing import open_world
from headstart.training.local import LocalTraining
from pretend_graphs import PretendRecorder


@pytest.mark.parametrize(
    "local",
    [
        LocalTraining(momentum=0.9, weight_decay=0.1, batch_size=4),
        LocalTraining(optimizer="adamw", client_lr=0.01, weight_decay=0.1, batch_size=4),
    ],
    ids=["sgd", "adamw"],
)
def test_steps_that_get_smaller_are_recorded_once(local: LocalTraining) -> None:
    world, recorder, told = open_world("all", dtype=torch.float64), PretendRecorder(), []
    clients = Clients(world.federation.clients, world.activations)
    central = Central(clients.one(3, (0,)), clients.one(0, (0,)), world.federation.task, True)
    model = replace(world.model, replay=Graphs(recorder, told.append))
    right = train_until_stale(world.model, world.params, central, local, 5, 5, told.append)
    said = list(told)
    found = train_until_stale(model, world.params, central, local, 5, 5, told.append)
    assert said * 2 == told
    assert recorder.captured == 1
    assert recorder.replayed > 10
    np.testing.assert_allclose(found.losses, right.losses, rtol=1e-9)
    for name, value in right.last.items():
        torch.testing.assert_close(found.last[name], value, rtol=1e-9, atol=1e-9)
