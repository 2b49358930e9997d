"""FedDyn against its paper's Algorithm 1 in plain PyTorch on the same batches, and where it comes to rest."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from headstart.core import trees
from headstart.core.errors import SettingError
from headstart.core.trees import Tree
from headstart.data.federation import Client
from headstart.engine.cohort import sample_cohort
from headstart.engine.received import Federated, Received
from headstart.engine.rounds import run_rounds
from headstart.engine.ways.fleet import Fleet
from headstart.engine.ways.serial import Serial
from headstart.federate import METHODS, FedDyn, Schedule
from headstart.federate.feddyn import Dynamic
from headstart.testing import World, open_world
from headstart.testing.compare import assert_same

from .reference import batches_of, pixels, plain_cnn, shares

ALPHA, LR, EPOCHS = 0.1, 0.05, 2
LOCAL: dict[str, Any] = {"batch_size": 4, "client_lr": LR, "proximal_mu": ALPHA}


@pytest.fixture(scope="module")
def world() -> World:
    return open_world("all", dtype=torch.float64)


def run(method: Any, world: World) -> Federated:
    clients = world.federation.seen_clients
    return run_rounds(method, world.model, world.params, clients, world.activations, engine=Serial(), seed=0)


def solve(world: World, theta: Tree, gradient: Tree, rows: list[np.ndarray]) -> Tree:
    """Descend on ``loss - <gradient, w> + alpha / 2 ||w - theta||²``, differentiated as written."""
    cnn = plain_cnn(theta, torch.float64)
    labels = torch.from_numpy(world.federation.examples.labels)
    for chosen in rows:
        loss = functional.cross_entropy(cnn(pixels(world, chosen, torch.float64)), labels[chosen])
        for w, name in zip(cnn.parameters(), theta, strict=True):
            loss = loss - (gradient[name] * w).sum() + ALPHA / 2 * ((w - theta[name]) ** 2).sum()
        slopes = torch.autograd.grad(loss, list(cnn.parameters()))
        with torch.no_grad():
            for w, slope in zip(cnn.parameters(), slopes, strict=True):
                w -= LR * slope
    return dict(zip(theta, (p.detach() for p in cnn.parameters()), strict=True))


@pytest.mark.parametrize("cohort", [None, 3], ids=["everyone", "three of five"])
def test_it_is_the_papers_algorithm(world: World, cohort: int | None) -> None:
    schedule = Schedule(rounds=4, cohort_size=cohort)
    method = FedDyn(schedule=schedule, local=Dynamic(**LOCAL), local_epochs=EPOCHS)
    found = run(method, world)
    members: list[Client] = sorted((c for c in world.federation.seen_clients if len(c.train)), key=lambda c: c.id)
    theta, h = dict(world.params), trees.zeros_like(world.params)
    gradients = {client.id: trees.zeros_like(theta) for client in members}
    for number in range(4):
        chosen = [members[i] for i in sample_cohort(len(members), schedule, 0, number)]
        weights, share = shares([len(c.train) for c in chosen]), len(chosen) / len(members)
        ends = {}
        for client in chosen:
            rows = batches_of(world, client, method.local, EPOCHS, (0, "round", number))
            end = ends[client.id] = solve(world, theta, gradients[client.id], rows)
            gradients[client.id] = {n: g - ALPHA * (end[n] - theta[n]) for n, g in gradients[client.id].items()}
        mean = {n: sum(w * ends[c.id][n] for w, c in zip(weights, chosen, strict=True)) for n in theta}
        h = {n: h[n] - ALPHA * share * (mean[n] - theta[n]) for n in theta}
        theta = {n: mean[n] - h[n] / ALPHA for n in theta}
    assert_same("parameters", found.shared, theta, 1e-8)
    for client, private in found.privates.items():
        assert_same(f"gradient of {client}", trees.scale(private, ALPHA), gradients[client], 1e-8)


def test_the_pull_is_never_nothing() -> None:
    with pytest.raises(SettingError, match=r"proximal_mu.*received 0"):
        METHODS["feddyn"].build({"proximal_mu": 0})


def test_clients_have_one_model(world: World) -> None:
    method = FedDyn(schedule=Schedule(rounds=1))
    assert not Received(world.model, world.params, method, run(method, world)).is_personal


def test_it_sends_what_fedavg_sends(world: World) -> None:
    found, plain = (run(METHODS[name].build({"rounds": 2}), world) for name in ("feddyn", "fedavg"))
    assert found.traffic == plain.traffic


@pytest.mark.parametrize("name", ["feddyn", "scaffold"])
def test_it_comes_to_rest_where_all_losses_together_are_least(name: str) -> None:
    """Unlike FedAvg's clients, which pull the shared head away from there with every local step."""
    world = open_world("head", dtype=torch.float64)
    steps = {"rounds": 60, "batch_size": 16, "client_lr": 0.3, "local_epochs": 5, "weight_decay": 0.05}
    own = {"proximal_mu": 0.5} if name == "feddyn" else {}
    found = {
        n: METHODS[n].build({"trainable": "head", **steps, **(own if n == name else {})}) for n in (name, "fedavg")
    }
    lengths = {n: _slope(world, _shared(world, method)) for n, method in found.items()}
    assert lengths[name] < 0.001 < 0.03 < lengths["fedavg"]


def _shared(world: World, method: Any) -> Tree:
    clients = world.federation.seen_clients
    found = run_rounds(method, world.model, world.params, clients, world.activations, engine=Fleet(way="stack"), seed=0)
    shared: Tree = method.personal_params(world.model, found.shared, {})
    return shared


def _slope(world: World, params: Tree) -> float:
    """Return how steep the mean loss of all examples, with weight decay, is."""
    rows = np.concatenate([c.train for c in world.federation.seen_clients])
    features = world.activations.at(world.model)[torch.from_numpy(rows)].double()
    labels = torch.from_numpy(world.federation.examples.labels[rows])
    weight, bias = (params[f"head.{part}"].clone().requires_grad_() for part in ("weight", "bias"))
    loss = functional.cross_entropy(features @ weight.T + bias, labels)
    (loss + 0.025 * ((weight**2).sum() + (bias**2).sum())).backward()
    return float(torch.cat([weight.grad.flatten(), bias.grad]).norm())
