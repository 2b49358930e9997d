"""What clients choose after the last round."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from headstart.core.trees import Tree
from headstart.engine.received import Federated
from headstart.engine.settled import settled
from headstart.engine.ways.fleet import Fleet
from headstart.engine.ways.serial import Serial
from headstart.federate import FedAvg, Ifca, Schedule
from headstart.testing import World, open_world


@pytest.fixture(scope="module")
def world() -> World:
    return open_world("head")


def after(world: World, method: Any, privates: Mapping[str, Tree], engine: Any = None) -> Federated:
    shared, newcomer, _ = method.init(world.model, world.params)
    now, clients = Federated(shared, privates, newcomer), world.federation.clients
    return settled(
        method, world.model, world.params, now, clients, world.activations, engine=engine or Serial(), seed=0
    )


def test_methods_in_which_nobody_chooses_are_left_as_they_are(world: World) -> None:
    now = after(world, FedAvg(trainable="head"), {})
    assert not now.privates


@pytest.mark.parametrize("engine", [Serial(), Fleet(way="stack")], ids=["serial", "stack"])
def test_everyone_with_training_examples_chooses_held_out_clients_too(world: World, engine: Any) -> None:
    method = Ifca(clusters=3, spread=1.0, trainable="head")
    now = after(world, method, {}, engine)
    assert set(now.privates) == {c.id for c in world.federation.clients if len(c.train)}
    held_out = next(c for c in world.federation.clients if not c.seen)
    assert held_out.id in now.privates
    assert len({int(tree["membership"].argmax()) for tree in now.privates.values()}) > 1


@dataclass(frozen=True, kw_only=True)
class Choosy(Ifca):
    """Raises for the largest client, and finds no number for the smallest."""

    def settle(self, model: Any, shared: Tree, private: Tree, data: Any) -> Tree:
        size = len(data.everything(model).labels)
        if size == 16:
            raise ValueError("no choice")
        return {"membership": private["membership"] * (torch.nan if size == 1 else 2)}


def test_a_client_whose_choice_fails_is_named_and_keeps_what_it_had(world: World) -> None:
    before = {"c3": {"membership": torch.tensor([0.0, 1.0])}}
    now = after(world, Choosy(clusters=2, trainable="head", schedule=Schedule(rounds=1)), before)
    assert {(one.client, one.reason) for one in now.excluded} == {
        ("c3", "ValueError: no choice"),
        ("c4", "what it chose has numbers that are not finite"),
    }
    assert now.privates["c3"]["membership"].tolist() == [0, 1]
    assert "c4" not in now.privates
    assert now.privates["c0"]["membership"].tolist() == [2, 0]
