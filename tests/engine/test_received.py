"""What clients received: the same for all, or what the method makes of their private trees."""

from dataclasses import dataclass

import pytest
import torch

from headstart.core.trees import Params, Tree
from headstart.engine.received import Federated, Received, Traffic
from headstart.federate import FedAvg, FedDyn
from headstart.models.model import Model
from headstart.testing import World, open_world

ONE, NEW = torch.tensor([1.0]), torch.tensor([0.0])


@dataclass(frozen=True, kw_only=True)
class Personal(FedAvg):
    """Every client's bias is its own."""

    def personal_params(self, model: Model, shared: Tree, private: Tree) -> Params:
        return {**shared, **private}


@pytest.fixture(scope="module")
def world() -> World:
    return open_world("head")


def test_without_a_federated_stage_all_have_the_start(world: World) -> None:
    received = Received(world.model, world.params)
    assert not received.is_personal
    assert received.common is received.of(world.federation.clients[0]) is world.params


def test_a_client_that_never_took_part_has_a_newcomers(world: World) -> None:
    left = Federated({"w": ONE}, {"c0": {"b": ONE}}, newcomer={"b": NEW})
    received = Received(world.model, world.params, Personal(), left)
    assert received.is_personal
    assert [received.of(client)["b"].item() for client in world.federation.clients[:2]] == [1, 0]
    assert received.common == {"w": ONE, "b": NEW}


def test_private_trees_that_serve_the_shared_model_make_no_models_of_clients_own(world: World) -> None:
    left = Federated(world.params, {"c0": world.params}, newcomer=world.params)
    received = Received(world.model, world.params, FedDyn(), left)
    assert not received.is_personal
    assert received.of(world.federation.clients[0]) is received.common is world.params


def test_traffic_goes_both_ways() -> None:
    assert Traffic(download=3, upload=4).total == 7
