"""FedAvg and its relatives against plain PyTorch clients and Flower's strategies, on the same batches."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from headstart.core.trees import Params
from headstart.engine.rounds import run_rounds
from headstart.engine.ways.serial import Serial
from headstart.federate import METHODS, FedAvg, Schedule
from headstart.federate.fedopt import Adam
from headstart.federate.fedprox import Proximal
from headstart.testing import World, open_world
from headstart.testing.compare import assert_same
from headstart.training.local import LocalTraining

from .reference import run_flower

LOCAL = {"batch_size": 4, "client_lr": 0.05}
ROUNDS = {"rounds": 3}
ADAPTIVE = {"server_lr": 0.05, "tau": 0.01}


@pytest.fixture(scope="module")
def world() -> World:
    return open_world("all", dtype=torch.float64)


def run(method: Any, world: World) -> Params:
    clients = world.federation.seen_clients
    federated = run_rounds(method, world.model, world.params, clients, world.activations, engine=Serial(), seed=0)
    return federated.shared


def flower(name: str, **settings: Any) -> Any:
    import flwr.serverapp.strategy

    return getattr(flwr.serverapp.strategy, name)(**settings)


SERVERS = {
    "fedavg": (METHODS["fedavg"].build(LOCAL | ROUNDS), "FedAvg", {}),
    "fedavgm": (
        METHODS["fedavgm"].build(LOCAL | ROUNDS | {"server_lr": 0.5, "server_momentum": 0.8}),
        "FedAvgM",
        {"server_learning_rate": 0.5, "server_momentum": 0.8},
    ),
    "fedadagrad": (
        METHODS["fedadagrad"].build(LOCAL | ROUNDS | ADAPTIVE),
        "FedAdagrad",
        {"eta": 0.05, "tau": 0.01},
    ),
    # Flower corrects its bias by the number of rounds plus one: counted from 0, that is the number of rounds done.
    "fedadam": (
        METHODS["fedadam"].build(LOCAL | ROUNDS | ADAPTIVE | {"bias_correction": True}),
        "FedAdam",
        {"eta": 0.05, "tau": 0.01},
    ),
    "fedyogi": (METHODS["fedyogi"].build(LOCAL | ROUNDS | ADAPTIVE), "FedYogi", {"eta": 0.05, "tau": 0.01}),
}


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_a_server_equals_flowers(name: str, dtype: torch.dtype) -> None:
    method, strategy, settings = SERVERS[name]
    world = open_world("all", dtype=dtype)
    expected = run_flower(world, flower(strategy, **settings), method.local, method.schedule)
    found = run(method, world)
    assert_same(name, found, expected, 1e-5)
    moved = max(float((found[n] - world.params[n]).abs().max()) for n in found)
    assert moved > 0.01, "nothing was learnt that could differ"


@pytest.mark.parametrize("mu", [0.0, 0.1, 3.0])
def test_fedprox_equals_flowers_with_the_term_in_the_loss(world: World, mu: float) -> None:
    method = FedAvg(local=Proximal(proximal_mu=mu, **LOCAL, momentum=0.9), schedule=Schedule(**ROUNDS))
    strategy = flower("FedProx", proximal_mu=mu)
    assert_same("fedprox", run(method, world), run_flower(world, strategy, method.local, method.schedule, mu), 1e-10)


def test_fedprox_without_the_term_is_fedavg_and_with_much_of_it_stays(world: World) -> None:
    schedule = Schedule(rounds=2)
    plain = run(FedAvg(local=LocalTraining(**LOCAL), schedule=schedule), world)
    without, stays = (run(FedAvg(local=Proximal(proximal_mu=mu, **LOCAL), schedule=schedule), world) for mu in (0, 10))
    assert_same("mu = 0", without, plain)
    distance = [sum(float(((p[n] - world.params[n]) ** 2).sum()) for n in p) for p in (stays, plain)]
    assert distance[0] < 0.5 * distance[1]


@pytest.mark.parametrize(
    "change",
    [
        {"momentum": 0.9, "weight_decay": 0.01},
        {"optimizer": "adam", "client_lr": 0.003, "weight_decay": 0.01},
        {"optimizer": "adamw", "client_lr": 0.003, "weight_decay": 0.1},
        {"balance": "loss"},
        {"balance": "sampling"},
        {"local_steps": 3},
    ],
    ids=str,
)
def test_a_client_trains_as_a_plain_loop(world: World, change: dict[str, Any]) -> None:
    local = replace(LocalTraining(**LOCAL), **change)
    method = FedAvg(local=local, schedule=Schedule(rounds=2))
    expected = run_flower(world, flower("FedAvg"), local, method.schedule)
    # Adam divides by gradients that may be near zero, and so shows more of the rounding.
    assert_same(str(change), run(method, world), expected, 1e-8)


def test_a_sampled_cohort_is_weighted_by_its_own_sizes(world: World) -> None:
    method = FedAvg(local=LocalTraining(**LOCAL), schedule=Schedule(rounds=3, cohort_size=2))
    expected = run_flower(world, flower("FedAvg"), method.local, method.schedule)
    assert_same("cohort of two", run(method, world), expected, 1e-10)


def test_fedadam_is_the_papers_algorithm_without_bias_correction() -> None:
    """Algorithm 2 of Reddi et al. 2021 on a given series of updates, with NumPy."""
    updates = np.random.default_rng(0).normal(size=(4, 5))
    server = Adam(server_lr=0.1, beta1=0.8, beta2=0.95, tau=0.02)
    shared = {"w": torch.ones(5, dtype=torch.float64)}
    state = server.init(shared)
    x, m, v = np.ones(5), np.zeros(5), np.zeros(5)
    for update in updates:
        shared, state = server.update(shared, state, {"w": torch.from_numpy(update)})
        m, v = 0.8 * m + 0.2 * update, 0.95 * v + 0.05 * update**2
        x = x + 0.1 * m / (np.sqrt(v) + 0.02)
    np.testing.assert_allclose(shared["w"], x, rtol=1e-12)


def test_server_momentum_zero_is_fedavg(world: World) -> None:
    settings = LOCAL | {"rounds": 2}
    plain = run(METHODS["fedavg"].build(settings), world)
    assert_same("no momentum", run(METHODS["fedavgm"].build({**settings, "server_momentum": 0.0}), world), plain, 1e-12)


def test_a_server_step_size_scales_the_mean_update(world: World) -> None:
    full, half = (run(METHODS["fedavg"].build(LOCAL | {"rounds": 1, "server_lr": lr}), world) for lr in (1.0, 0.5))
    for name, start in world.params.items():
        torch.testing.assert_close(half[name] - start, (full[name] - start) / 2)
