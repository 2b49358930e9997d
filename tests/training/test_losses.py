"""Losses of several candidates on clients' own examples."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from headstart.core import trees
from headstart.engine.clients import Clients
from headstart.models.cut import Trainable
from headstart.testing import open_world
from headstart.training.losses import training_losses


@pytest.mark.parametrize("cut", ["head", "all"])
@pytest.mark.parametrize("batch_size", [4, 100])
def test_losses_are_means_over_all_examples_of_each_client(cut: Trainable, batch_size: int) -> None:
    world = open_world(cut, dtype=torch.float64)
    members = [client for client in world.federation.seen_clients if len(client.train)]
    clients, positions = Clients(members, world.activations), np.arange(len(members))
    candidates = [world.params, trees.scale(world.params, 1.5)]
    one_by_one = [
        training_losses(world.model, candidates, clients.one(position, (0,)), batch_size)
        for position in positions.tolist()
    ]
    stacks = [trees.broadcast(tree, len(members)) for tree in candidates]
    together = training_losses(world.model, stacks, clients.some(positions, (0,)), batch_size)
    assert together.shape == (2, len(members))
    torch.testing.assert_close(torch.stack(one_by_one, 1), together)
    # The client with one example has none left in a second batch.
    assert {len(client.train) for client in members} >= {1, 16}
    everything = clients.one(2, (0,)).everything(world.model)
    expected = [
        functional.cross_entropy(world.model.logits(params, everything.inputs), everything.labels)
        for params in candidates
    ]
    torch.testing.assert_close(one_by_one[2], torch.stack(expected).detach())
