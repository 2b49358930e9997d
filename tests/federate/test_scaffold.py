"""SCAFFOLD against its paper's Algorithm 1, option II, written in plain PyTorch on the same batches."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from headstart.core import trees
from headstart.core.errors import SettingError
from headstart.core.trees import Params, Tree
from headstart.data.federation import Client
from headstart.engine.cohort import sample_cohort
from headstart.engine.received import Federated, Received
from headstart.engine.rounds import run_rounds
from headstart.engine.ways.fleet import Fleet
from headstart.engine.ways.serial import Serial
from headstart.federate import METHODS, Scaffold, Schedule
from headstart.federate.scaffold import Corrected
from headstart.federate.server import Average
from headstart.testing import World, open_world
from headstart.testing.compare import assert_same
from headstart.training.local import LocalTraining

from .reference import batches_of, pixels, plain_cnn, shares

LOCAL: dict[str, Any] = {"batch_size": 4, "client_lr": 0.05}


@pytest.fixture(scope="module")
def world() -> World:
    return open_world("all", dtype=torch.float64)


def run(method: Scaffold, world: World, engine: Any = None) -> Federated:
    clients, engine = world.federation.seen_clients, engine or Serial()
    return run_rounds(method, world.model, world.params, clients, world.activations, engine=engine, seed=0)


@dataclass
class Paper:
    """The algorithm, as the paper has it: x, c and the clients' controls."""

    world: World
    lr: float
    server_lr: float

    def __post_init__(self) -> None:
        self.x = dict(self.world.params)
        self.c = trees.zeros_like(self.x)
        self.own: dict[str, Tree] = {}

    def client(self, client: Client, rows: list[np.ndarray]) -> tuple[Tree, Tree]:
        """Lines 7 to 14; returns the change of y and that of the control."""
        own = self.own.get(client.id, trees.zeros_like(self.c))
        cnn = plain_cnn(self.x, torch.float64)
        labels = torch.from_numpy(self.world.federation.examples.labels)
        for chosen in rows:
            loss = functional.cross_entropy(cnn(pixels(self.world, chosen, torch.float64)), labels[chosen])
            gradients = torch.autograd.grad(loss, list(cnn.parameters()))
            with torch.no_grad():
                for y, g, name in zip(cnn.parameters(), gradients, self.x, strict=True):
                    y -= self.lr * (g + self.c[name] - own[name])
        y = dict(zip(self.x, (p.detach() for p in cnn.parameters()), strict=True))
        new = {n: own[n] - self.c[n] + (self.x[n] - y[n]) / (len(rows) * self.lr) for n in y}
        self.own[client.id] = new
        return {n: y[n] - self.x[n] for n in y}, {n: new[n] - own[n] for n in y}

    def round(self, came: list[tuple[Tree, Tree]], sizes: list[int], population: int) -> None:
        """Lines 16 and 17, by numbers of examples."""
        for n in self.x:
            self.x[n] = self.x[n] + self.server_lr * sum(
                s * dy[n] for s, (dy, _) in zip(shares(sizes), came, strict=True)
            )
            moved = sum(s * dc[n] for s, (_, dc) in zip(shares(sizes), came, strict=True))
            self.c[n] = self.c[n] + len(came) / population * moved


@pytest.mark.parametrize("cohort", [None, 3], ids=["everyone", "three of five"])
@pytest.mark.parametrize("server_lr", [1.0, 0.5])
def test_it_is_the_papers_algorithm(world: World, cohort: int | None, server_lr: float) -> None:
    schedule = Schedule(rounds=4, cohort_size=cohort)
    method = Scaffold(schedule=schedule, local=Corrected(**LOCAL), local_epochs=2, server=Average(server_lr=server_lr))
    found = run(method, world)
    paper = Paper(world, LOCAL["client_lr"], server_lr)
    members = sorted((c for c in world.federation.seen_clients if len(c.train)), key=lambda c: c.id)
    for number in range(4):
        chosen = [members[i] for i in sample_cohort(len(members), schedule, 0, number)]
        came = [paper.client(c, batches_of(world, c, method.local, 2, (0, "round", number))) for c in chosen]
        paper.round(came, [len(c.train) for c in chosen], len(members))
    assert_same("parameters", method.personal_params(world.model, found.shared, {}), paper.x, 1e-9)
    assert_same("the server's control", trees.part(found.shared, "control/"), paper.c, 1e-9)
    assert dict(found.privates).keys() == paper.own.keys()
    for client, own in paper.own.items():
        assert_same(f"control of {client}", found.privates[client], own, 1e-9)


def test_the_servers_control_is_the_mean_of_the_clients(world: World) -> None:
    found = run(Scaffold(schedule=Schedule(rounds=3), local=Corrected(**LOCAL)), world)
    sizes = {c.id: len(c.train) for c in world.federation.seen_clients}
    weights = torch.tensor([sizes[name] for name in found.privates], dtype=torch.float64)
    mean = trees.weighted_sum(trees.stack(list(found.privates.values())), weights / weights.sum())
    assert_same("control", trees.part(found.shared, "control/"), mean, 1e-9)


def test_with_momentum_the_control_is_still_a_mean_of_gradients(world: World) -> None:
    """Where the slope is the same everywhere, any mean of it is it."""

    class Constant(Corrected):
        def slope(self, model: Any, start: Tree, params: Params, batch: Any) -> Params:
            return {name: torch.ones_like(value) for name, value in params.items()}

    method = Scaffold(schedule=Schedule(rounds=1), local=Constant(**LOCAL, momentum=0.9), local_epochs=3)
    for engine in (Serial(), Fleet(way="stack")):
        for control in run(method, world, engine).privates.values():
            assert_same("control", control, {n: torch.ones_like(v) for n, v in control.items()}, 1e-9)


def test_both_trees_travel_both_ways(world: World) -> None:
    found, plain = (
        run_rounds(
            method, world.model, world.params, world.federation.seen_clients, world.activations, engine=Serial(), seed=0
        )
        for method in (Scaffold(schedule=Schedule(rounds=2)), METHODS["fedavg"].build({"rounds": 2}))
    )
    assert found.traffic.upload == 2 * plain.traffic.upload
    assert found.traffic.download == 2 * plain.traffic.download


def test_clients_have_one_model_and_newcomers_too(world: World) -> None:
    method = Scaffold(schedule=Schedule(rounds=1), local=Corrected(**LOCAL))
    received = Received(world.model, world.params, method, run(method, world))
    assert not received.is_personal
    for client in world.federation.clients:
        assert_same(client.id, received.of(client), received.common)


def test_an_optimiser_whose_steps_are_no_gradients_is_refused() -> None:
    with pytest.raises(SettingError, match=r"optimizer: must be 'sgd'.*received 'adam'; set optimizer"):
        METHODS["scaffold"].build({"optimizer": "adam"})
    assert METHODS["scaffold"].build({"momentum": 0.9}).local.momentum == 0.9


def test_a_heads_first_round_is_fedavgs() -> None:
    """All controls are zero at first."""
    world = open_world("head", dtype=torch.float64)
    settings = {"rounds": 1, "trainable": "head", **LOCAL}
    scaffold, fedavg = (METHODS[name].build(settings) for name in ("scaffold", "fedavg"))
    assert isinstance(scaffold.local, LocalTraining)
    found = scaffold.personal_params(world.model, run(scaffold, world).shared, {})
    assert_same("one round", found, run(fedavg, world).shared, 1e-10)
