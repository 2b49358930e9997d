"""Networks of several clients as one."""

import pytest
import torch

from headstart.core import trees
from headstart.models.functional import functional_of
from headstart.models.grouped import grouped
from headstart.models.grouped_layers import UnknownLayer
from headstart.testing import open_world


def test_two_clients_as_one_network_are_each_its_own() -> None:
    world = open_world("all", dtype=torch.float64)
    inputs = world.activations.few(world.model, 6).view(2, 3, *world.federation.examples.shape)
    alone = functional_of(world.model.network, inputs[0], 0)
    assert alone is not None
    clients = [{name: value * scale for name, value in world.params.items()} for scale in (1.0, -0.5)]
    prepared = torch.stack([world.model.network.prepare(each).double() for each in inputs])
    expected = torch.stack([alone(own, each) for own, each in zip(clients, prepared, strict=True)])
    torch.testing.assert_close(grouped(alone)(trees.stack(clients), prepared), expected)


def test_what_cannot_be_written_down_is_said() -> None:
    with pytest.raises(UnknownLayer, match="cannot be written down"):
        grouped(None)
