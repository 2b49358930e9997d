"""Personal methods against their papers' algorithms in plain PyTorch, on the same batches."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from headstart.core.errors import SettingError
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
from normed import normed_world

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
    if name == "fedbabu":
        # As large as PyTorch's: uniform between -1 and 1 over the root of 128 features.
        bound = 128**-0.5
        first["head.weight"] = first["head.weight"] * (bound / 3**0.5 / (first["head.weight"] ** 2).mean().sqrt())
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


def test_a_head_that_is_large_enough_stays_as_it_is(world: World) -> None:
    params = {**world.params, "head.weight": torch.full_like(world.params["head.weight"], 0.2)}
    head = {name: value for name, value in params.items() if name.startswith(HEAD)}
    assert_same("the head", METHODS["fedbabu"].build({}).init(world.model, params).private, head)


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


def mr_mtl(world: World, method: Any) -> tuple[Params, dict[str, Params]]:
    """Algorithm A1 of Liu et al. 2022, without noise: the mean, and the clients' models."""
    mean, own, local = world.params, dict[str, Params](), method.local
    for number, cohort in turns(world, method.schedule):
        for client in cohort:
            rows = rows_of(world, client, local, method.local_epochs, number)
            own[client.id] = train(world, own.get(client.id, mean), rows, local, towards=mean, mu=local.proximal_mu)
        mean = mean_of(cohort, [own[client.id] for client in cohort])
    return mean, own


@pytest.mark.parametrize("change", CHANGES, ids=["plain", "momentum and decay", "cohorts"])
def test_mr_mtl(change: dict[str, Any], world: World) -> None:
    method = METHODS["mr_mtl"].build(SETTINGS | change | {"proximal_mu": 0.5})
    _check_own_models(method, world, *mr_mtl(world, method))


def gradient(world: World, params: Params, rows: np.ndarray) -> Params:
    """The loss's gradient, from autograd."""
    leaves = {name: value.clone().requires_grad_() for name, value in params.items()}
    found = torch.autograd.grad(loss_of(world, leaves, rows), list(leaves.values()))
    return dict(zip(leaves, found, strict=True))


def step(params: Params, slope: Params, lr: float) -> Params:
    return {name: value - lr * slope[name] for name, value in params.items()}


def mixture(own: Params, shared: Params, alpha: float) -> Params:
    return {name: alpha * own[name] + (1 - alpha) * value for name, value in shared.items()}


def apfl(world: World, method: Any) -> tuple[Params, dict[str, Params]]:
    """Algorithm 1 of Deng et al. 2020, with equation 11 once a round: the shared model, and the clients' mixtures."""
    shared, own, local, lr = world.params, dict[str, Params](), method.local, method.local.client_lr
    alphas: dict[str, float] = {}
    for number, cohort in turns(world, method.schedule):
        sent = []
        for client in cohort:
            w, v, alpha = shared, own.get(client.id, shared), alphas.get(client.id, method.own_weight)
            if method.learns_weight:
                first = rows_of(world, client, local, 1, number, "weight")[0]
                slope = gradient(world, mixture(v, w, alpha), first)
                along = sum(float(((v[name] - w[name]) * slope[name]).sum()) for name in w)
                alpha = min(max(alpha - lr * along, 0.0), 1.0)
            for rows in rows_of(world, client, local, method.local_epochs, number):
                slope = gradient(world, mixture(v, w, alpha), rows)
                w, v = step(w, gradient(world, w, rows), lr), step(v, slope, lr * alpha)
            own[client.id], alphas[client.id] = v, alpha
            sent.append(w)
        shared = mean_of(cohort, sent)
    if method.learns_weight:
        assert len({round(alpha, 6) for alpha in alphas.values()}) > 1
    return shared, {client: mixture(v, shared, alphas[client]) for client, v in own.items()}


@pytest.mark.parametrize("change", [{}, COHORT, {"learns_weight": True}], ids=["plain", "cohorts", "learnt weight"])
def test_apfl(change: dict[str, Any], world: World) -> None:
    method = METHODS["apfl"].build(SETTINGS | change | {"own_weight": 0.3, "client_lr": 0.2})
    _check_own_models(method, world, *apfl(world, method))


@pytest.mark.parametrize("own_weight", [0.0, 1.0])
def test_the_ends_of_the_mixture_are_fedavg_and_alone(own_weight: float, world: World) -> None:
    """Whatever the mixture, what is shared is FedAvg's; without an own part, all use that."""
    found = run(METHODS["apfl"].build(SETTINGS | {"own_weight": own_weight}), world)
    fedavg = run(METHODS["fedavg"].build(SETTINGS), world)
    assert_same("the shared model", found.shared, fedavg.shared, 1e-12)
    of_c3 = METHODS["apfl"].build({}).personal_params(world.model, found.shared, found.privates["c3"])
    is_shared = all(torch.equal(of_c3[name], value) for name, value in found.shared.items())
    assert is_shared == (own_weight == 0)


def pfedme(world: World, method: Any) -> tuple[Params, dict[str, Params]]:
    """Algorithm 1 of Dinh et al. 2020, then each client's model once more over its data."""
    shared, own, local = world.params, dict[str, Params](), method.local
    for number, cohort in turns(world, method.schedule):
        sent = []
        for client in cohort:
            w = shared
            for rows in rows_of(world, client, local, method.local_epochs, number):
                theta = train(world, w, [rows] * local.inner_steps, local.inner, towards=w, mu=local.proximal_mu)
                w = {name: w[name] - local.client_lr * local.proximal_mu * (w[name] - theta[name]) for name in w}
            rows = rows_of(world, client, local, method.own_epochs, number, "own")
            own[client.id] = train(world, w, rows, local.inner, towards=w, mu=local.proximal_mu)
            sent.append(w)
        shared = mean_of(cohort, sent)
    return shared, own


@pytest.mark.parametrize("change", [{}, COHORT], ids=["plain", "cohorts"])
def test_pfedme(change: dict[str, Any], world: World) -> None:
    method = METHODS["pfedme"].build(SETTINGS | change | {"client_lr": 0.05, "proximal_mu": 8.0, "inner_steps": 3})
    _check_own_models(method, world, *pfedme(world, method))


def normed(params: Params, inputs: Tensor) -> Tensor:
    """The small network with norms, from PyTorch's own operations; BatchNorm with the statistics that it came with."""
    p = {name.removeprefix("blocks."): value for name, value in params.items()}
    x = functional.conv2d(inputs, p["0.0.weight"], p["0.0.bias"], 2, 1)
    x = functional.batch_norm(x, p["0.1.running_mean"], p["0.1.running_var"], p["0.1.weight"], p["0.1.bias"])
    x = functional.conv2d(functional.relu(x), p["1.0.weight"], p["1.0.bias"], 2, 1)
    x = functional.relu(functional.group_norm(x, 2, p["1.1.weight"], p["1.1.bias"])).flatten(1)
    return functional.linear(x, p["head.weight"], p["head.bias"])


def test_fedbn() -> None:
    """Algorithm 1 of Li et al. 2021: everything but the norms' scales and shifts is averaged."""
    world = normed_world(torch.float64)
    method, labels = METHODS["fedbn"].build(SETTINGS), torch.from_numpy(world.federation.examples.labels)
    norms = ("blocks.0.1.", "blocks.1.1.")
    shared = {name: value for name, value in world.params.items() if not name.startswith(norms)}
    first = {name: value for name, value in world.params.items() if name.startswith(norms)}
    own: dict[str, Params] = {}
    for number, cohort in turns(world, method.schedule):
        trained = []
        for client in cohort:
            params = {**shared, **own.get(client.id, first)}
            for rows in rows_of(world, client, method.local, 1, number):
                leaves = {name: value.clone().requires_grad_() for name, value in params.items()}
                scores = normed({**world.model.frozen, **leaves}, pixels(world, rows, torch.float64))
                loss = functional.cross_entropy(scores, labels[rows])
                slope = dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))
                params = step(params, slope, method.local.client_lr)
            own[client.id] = {name: params[name] for name in first}
            trained.append({name: params[name] for name in shared})
        shared = mean_of(cohort, trained)
    found = run(method, world)
    assert_same("what is shared", found.shared, shared, 1e-9)
    for client, tree in own.items():
        assert_same(f"the norms of {client}", found.privates[client], tree, 1e-9)


def test_fedbn_needs_norms_that_train(world: World) -> None:
    with pytest.raises(
        SettingError, match=r"federate\.trainable: must let a layer that normalises train, .*'small-cnn'"
    ):
        METHODS["fedbn"].build({}).init(world.model, world.params)
