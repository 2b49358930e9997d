"""Personal methods against their papers' algorithms in plain PyTorch, on the same batches."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from headstart.core.trees import Params
from headstart.data.federation import Client
from headstart.engine.cohort import sample_cohort
from headstart.engine.order import PADDING, keyed_order
from headstart.engine.received import Federated, Received
from headstart.engine.rounds import run_rounds
from headstart.engine.ways.serial import Serial
from headstart.federate import METHODS, Federate, Schedule
from headstart.testing import World, open_world
from headstart.testing.compare import assert_same
from headstart.training.local import LocalTraining

from .reference import pixels, plain_cnn

SETTINGS = {"rounds": 3, "batch_size": 4, "client_lr": 0.05}
ROUGH = {"momentum": 0.9, "weight_decay": 0.01}
COHORT = {"cohort_size": 2}
CHANGES: list[dict[str, Any]] = [{}, ROUGH, COHORT]
"""Plain; with what could move what does not train; with clients that are absent, or never come."""


@pytest.fixture(scope="module")
def world() -> World:
    return open_world("all", dtype=torch.float64)


def run(method: Federate, world: World) -> Federated:
    clients = world.federation.seen_clients
    return run_rounds(method, world.model, world.params, clients, world.activations, engine=Serial(), seed=0)


def turns(world: World, schedule: Schedule) -> Iterator[tuple[int, list[Client]]]:
    """Yield the cohort of every round."""
    members = sorted((c for c in world.federation.seen_clients if len(c.train)), key=lambda c: c.id)
    for number in range(schedule.rounds):
        yield number, [members[i] for i in sample_cohort(len(members), schedule, 0, number)]


def rows_of(
    world: World, client: Client, local: LocalTraining, epochs: int, number: int, stream: str = ""
) -> list[np.ndarray]:
    """The engine's own batches of a phase, as rows of the examples."""
    labels = world.federation.examples.labels[client.train]
    order = keyed_order([client.id], [labels], local.passes(epochs, stream), (0, "round", number))[0]
    return [client.train[row[row != PADDING]] for row in order]


def loss_of(world: World, params: Params, rows: np.ndarray) -> Tensor:
    """The loss of the small CNN, from PyTorch's own operations."""
    dtype = params["head.weight"].dtype
    names = [name for name, _ in plain_cnn(params, dtype).named_parameters()]
    scores = torch.func.functional_call(
        plain_cnn(params, dtype), dict(zip(names, params.values(), strict=True)), (pixels(world, rows, dtype),)
    )
    return functional.cross_entropy(scores, torch.from_numpy(world.federation.examples.labels)[rows])


def train(
    world: World,
    start: Params,
    rows: Sequence[np.ndarray],
    local: LocalTraining,
    *,
    only: tuple[str, ...] = ("",),
    towards: Params | None = None,
    mu: float = 0.0,
) -> Params:
    """Take the steps of an optimiser that knows only the tensors whose names begin with one of ``only``."""
    params = {name: value.clone().requires_grad_(name.startswith(only)) for name, value in start.items()}
    moving = [value for value in params.values() if value.requires_grad]
    optimizer = torch.optim.SGD(moving, lr=local.client_lr, momentum=local.momentum, weight_decay=local.weight_decay)
    for chosen in rows:
        optimizer.zero_grad()
        pull = sum(((params[name] - value) ** 2).sum() for name, value in (towards or {}).items())
        (loss_of(world, params, chosen) + mu / 2 * pull).backward()
        optimizer.step()
    return {name: value.detach() for name, value in params.items()}


def mean_of(clients: Sequence[Client], trees: Sequence[Params]) -> Params:
    """The mean of what clients came to, as the engine weighs them: by examples, nobody above the others together."""
    sizes = torch.tensor([float(len(client.train)) for client in clients], dtype=torch.float64)
    if len(clients) > 2:
        sizes = sizes.minimum(sizes.sum() - sizes)
    shares = sizes / sizes.sum()
    return {name: sum(share * tree[name] for share, tree in zip(shares, trees, strict=True)) for name in trees[0]}


BODY, HEAD = ("blocks.",), ("head.",)


def one_of_own_head(name: str, world: World, method: Any, params: Params, client: Client, number: int) -> Params:
    """One client's round of the three methods whose heads are not shared."""
    local, key = method.local, (world, client, method.local)
    match name:
        case "fedper":
            return train(world, params, rows_of(*key, method.local_epochs, number), local)
        case "fedbabu":
            return train(world, params, rows_of(*key, method.local_epochs, number), local, only=BODY)
    fitted = train(world, params, rows_of(*key, method.head_epochs, number, "head"), local, only=HEAD)
    return train(world, fitted, rows_of(*key, method.local_epochs, number), local, only=BODY)


@pytest.mark.parametrize("change", CHANGES, ids=["plain", "momentum and decay", "cohorts"])
@pytest.mark.parametrize("name", ["fedper", "fedrep", "fedbabu"])
def test_a_head_of_its_own(name: str, change: dict[str, Any], world: World) -> None:
    method = METHODS[name].build(SETTINGS | change)
    body = {key: value for key, value in world.params.items() if key.startswith(BODY)}
    first = {key: value for key, value in world.params.items() if key.startswith(HEAD)}
    heads: dict[str, Params] = {}
    for number, cohort in turns(world, method.schedule):
        trained = [
            one_of_own_head(name, world, method, {**body, **heads.get(client.id, first)}, client, number)
            for client in cohort
        ]
        heads |= {
            client.id: {key: value for key, value in own.items() if key.startswith(HEAD)}
            for client, own in zip(cohort, trained, strict=True)
        }
        body = mean_of(cohort, [{key: own[key] for key in body} for own in trained])
    found = run(method, world)
    assert_same("the body", found.shared, body, 1e-10)
    assert {client: [*tree] for client, tree in found.privates.items()} == {client: [*first] for client in heads}
    for client, head in heads.items():
        assert_same(f"the head of {client}", found.privates[client], head, 1e-10)


def test_fedbabu_neither_trains_nor_sends_the_head(world: World) -> None:
    found = run(METHODS["fedbabu"].build(SETTINGS | ROUGH), world)
    for tree in found.privates.values():
        assert_same("the head", tree, found.newcomer)
    body = sum(8 * value.numel() for name, value in world.params.items() if name.startswith(BODY))
    assert found.traffic.upload == 3 * len(found.privates) * body


def ditto(world: World, method: Any) -> tuple[Params, dict[str, Params]]:
    """Algorithm 1 of Li et al. 2021: the shared model and the clients' own."""
    shared, own, local = world.params, dict[str, Params](), method.local
    for number, cohort in turns(world, method.schedule):
        sent = [
            train(world, shared, rows_of(world, client, local, method.local_epochs, number), local) for client in cohort
        ]
        for client in cohort:
            rows = rows_of(world, client, local, method.own_epochs, number, "own")
            start = own.get(client.id, shared)
            own[client.id] = train(world, start, rows, local, towards=shared, mu=method.proximal_mu)
        shared = mean_of(cohort, sent)
    return shared, own


@pytest.mark.parametrize("change", CHANGES, ids=["plain", "momentum and decay", "cohorts"])
def test_ditto(change: dict[str, Any], world: World) -> None:
    method = METHODS["ditto"].build(SETTINGS | change | {"own_epochs": 2, "proximal_mu": 0.5})
    _check_own_models(method, world, *ditto(world, method))


def _check_own_models(method: Any, world: World, shared: Params, own: dict[str, Params]) -> None:
    """Everyone has the model that the algorithm gives it; who never took part, the last shared one."""
    found = run(method, world)
    assert_same("the shared model", found.shared, shared, 1e-9)
    assert set(found.privates) == set(own)
    received = Received(world.model, world.params, method, found)
    for client in world.federation.clients:
        assert_same(f"the model of {client.id}", received.of(client), own.get(client.id, shared), 1e-9)
    assert any(client.id not in own for client in world.federation.clients)


def test_the_pull_of_ditto_ends_at_the_shared_model_or_at_none(world: World) -> None:
    """Without the pull a client is as if alone; with much of it its model is near the shared one."""
    alone, near = (run(METHODS["ditto"].build(SETTINGS | {"proximal_mu": mu}), world) for mu in (0.0, 15.0))
    distances = [
        sum(float(((run.privates["c3"][name] - value) ** 2).sum()) for name, value in run.shared.items())
        for run in (alone, near)
    ]
    assert distances[1] < 0.3 * distances[0]
