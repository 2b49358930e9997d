"""IFCA against a plain loop on the same batches, and on clients of two minds."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from headstart import Arm, from_arrays, run
from headstart.core.errors import SettingError
from headstart.core.trees import Params
from headstart.data.federation import Federation
from headstart.engine.rounds import run_rounds
from headstart.engine.ways.serial import Serial
from headstart.federate import Ifca, Schedule
from headstart.testing import World, open_world
from headstart.testing.compare import assert_same
from headstart.training.local import LocalTraining

from .reference import batches_of, pixels, plain_cnn, train_client


def apart(params: Params, spread: float, *key: int) -> Params:
    from headstart.core.seeds import torch_generator

    noise = torch.randn(params["head.weight"].shape, generator=torch_generator("ifca", *key), dtype=torch.float64)
    return {**params, "head.weight": params["head.weight"] + spread * noise}


def loss_of(world: World, params: Params, rows: np.ndarray) -> float:
    labels = torch.from_numpy(world.federation.examples.labels)[rows]
    scores = plain_cnn(params, torch.float64)(pixels(world, rows, torch.float64))
    return float(functional.cross_entropy(scores, labels).detach())


def by_hand(
    world: World, clusters: int, rounds: int, spread: float, local: LocalTraining
) -> tuple[list[Params], dict[str, int]]:
    """Algorithm 1 in a plain loop: choose, train, average those who chose alike; an empty model begins anew."""
    members = sorted((c for c in world.federation.seen_clients if len(c.train)), key=lambda c: c.id)
    models = [world.params, *(apart(world.params, spread, 0, number) for number in range(1, clusters))]
    for number in range(rounds):
        chosen = {c.id: int(np.argmin([loss_of(world, one, c.train) for one in models])) for c in members}
        trained = {
            c.id: train_client(
                world, models[chosen[c.id]], c, local, batches_of(world, c, local, 1, (0, "round", number))
            )
            for c in members
        }
        sizes = [sum(len(c.train) for c in members if chosen[c.id] == k) for k in range(clusters)]
        moved = []
        for k, model in enumerate(models):
            own = [c for c in members if chosen[c.id] == k]
            mean = {name: sum(len(c.train) * trained[c.id][name] for c in own) for name in model}
            moved.append({name: value / sizes[k] for name, value in mean.items()} if own else model)
        largest = moved[int(np.argmax(sizes))]
        models = [one if sizes[k] else apart(largest, spread, number + 1, k) for k, one in enumerate(moved)]
    return models, chosen


def test_rounds_are_those_of_a_plain_loop() -> None:
    world, local = open_world("all", dtype=torch.float64), LocalTraining(batch_size=4, client_lr=0.05)
    method = Ifca(clusters=3, spread=0.2, schedule=Schedule(rounds=4), local=local)
    found = run_rounds(
        method, world.model, world.params, world.federation.seen_clients, world.activations, engine=Serial(), seed=0
    )
    models, chosen = by_hand(world, 3, 4, 0.2, local)
    expected = {f"{k}/{name}": value for k, one in enumerate(models) for name, value in one.items()}
    assert_same("shared", found.shared, expected, 1e-9)
    assert {name: int(private["membership"].argmax()) for name, private in found.privates.items()} == chosen
    assert len(set(chosen.values())) > 1


def minds(groups: int = 2, clients: int = 12, per_client: int = 40) -> Federation:
    """Clients of several minds: each group has its own order of the classes. A fifth are held out."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 4, clients * per_client)
    inputs = 2 * np.eye(4, 6)[labels] + generator.normal(size=(len(labels), 6))
    owner = np.arange(len(labels)) % clients
    orders = np.stack([np.roll(np.arange(4), group) for group in range(groups)])
    return from_arrays(inputs, orders[owner % groups, labels], clients=owner.tolist(), held_out_clients=0.2)


def accuracy(name: str, federation: Federation, **settings: Any) -> float:
    training = {"rounds": 15, "client_lr": 0.2, "local_epochs": 2, "batch_size": 8}
    arm = Arm(name, start="random", federate={"method": name, **training, **settings})
    return float(run(arm, federation, backbone="linear").metrics["accuracy"])


def test_clients_of_two_minds_find_their_own_model_and_new_ones_too() -> None:
    federation = minds()
    assert any(not client.seen for client in federation.clients)
    ifca, fedavg = accuracy("ifca", federation, clusters=2), accuracy("fedavg", federation)
    assert ifca > fedavg + 0.2


def test_a_model_that_nobody_takes_splits_the_largest() -> None:
    """With four minds some share a model at first; an empty model next to theirs then takes one of them away."""
    federation = minds(groups=4, clients=16)
    assert accuracy("ifca", federation, clusters=6) > 0.75


def test_a_model_waits_for_its_clients_where_few_are_drawn() -> None:
    world = open_world("head")
    method = Ifca(clusters=2, trainable="head", schedule=Schedule(cohort_size=2))
    shared, _, state = method.init(world.model, world.params)
    update = {name: torch.zeros_like(value) for name, value in shared.items()}
    update["membership"] = torch.tensor([1.0, 0.0])
    for number in range(1, 5):
        new, state = method.server_update(world.model, shared, state, update)
        # 0.5 to the power of 2 times 3 rounds is 1.6 %, of 4 rounds 0.4 %.
        assert torch.equal(new["1/head.weight"], shared["1/head.weight"]) == (number < 4)
        assert torch.equal(new["0/head.weight"], shared["0/head.weight"])
    assert float(state["unseen"].sum()) == 0


def test_what_takes_every_other_cluster_for_an_outlier_is_refused() -> None:
    with pytest.raises(SettingError, match=r"aggregate: must be 'mean'.*'median'"):
        Ifca(schedule=Schedule(aggregate="median"))
