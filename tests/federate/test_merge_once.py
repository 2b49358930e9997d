"""One-shot averaging: the mean of models that plain PyTorch trains, and each client's choice."""

from typing import Any

import numpy as np
import pytest
import torch

from headstart.adapt import Keep, OwnOrShared
from headstart.core import trees
from headstart.core.errors import SettingError
from headstart.core.trees import Params
from headstart.engine.adaptation import Evaluation, adapt_and_predict, is_better
from headstart.engine.predict import predict
from headstart.engine.received import Federated, Received
from headstart.engine.rounds import run_rounds
from headstart.engine.ways.fleet import Fleet
from headstart.evidence.metrics import Scoring
from headstart.federate import METHODS, MergeOnce
from headstart.models.cut import Trainable
from headstart.study.written.arms import Arm
from headstart.testing import World, open_world
from headstart.training.local import LocalTraining

from .reference import batches_of, train_client

LOCAL = LocalTraining(client_lr=0.1, batch_size=4)


def method_of(**settings: Any) -> MergeOnce:
    method: MergeOnce = METHODS["merge_once"].build({"client_lr": 0.1, "batch_size": 4, **settings})
    return method


def federated(method: MergeOnce, world: World) -> Federated:
    clients = world.federation.seen_clients
    return run_rounds(method, world.model, world.params, clients, world.activations, engine=world.engine, seed=0)


def evaluated(method: MergeOnce, adapt: Any, world: World, found: Federated) -> Evaluation:
    clients = world.federation.clients
    views = {"val": [client.val for client in clients], "test": [client.test for client in clients]}
    return adapt_and_predict(
        adapt,
        Received(world.model, found.shared, method, found),
        clients,
        world.activations,
        views,
        engine=Fleet(),
        seed=0,
        better=is_better(Scoring(metric="accuracy"), world.federation.task),
    )


def test_it_begins_with_one_round_of_several_epochs() -> None:
    method = method_of()
    assert (method.schedule.rounds, method.local_epochs) == (1, 5)


def test_shared_and_own_models_are_those_of_plain_pytorch() -> None:
    world = open_world("all", dtype=torch.float64)
    found = federated(method_of(local_epochs=2), world)
    members = [client for client in world.federation.seen_clients if len(client.train)]
    total = sum(len(client.train) for client in members)
    merged = trees.zeros_like(world.params)
    for client in members:
        rows = batches_of(world, client, LOCAL, 2, (0, "round", 0))
        own = train_client(world, world.params, client, LOCAL, rows)
        kept = MergeOnce().own_params(world.model, found.shared, found.privates[client.id])
        for name, value in own.items():
            torch.testing.assert_close(kept[name], value, rtol=0, atol=1e-6)
        merged = trees.add(merged, trees.scale(own, len(client.train) / total))
    for name, value in merged.items():
        torch.testing.assert_close(found.shared[name], value, rtol=0, atol=1e-6)


@pytest.mark.parametrize("cut", ["head", "all"])
def test_each_client_takes_what_is_better_on_its_own_validation_data(cut: Trainable) -> None:
    world, method = open_world(cut), method_of(trainable=cut)
    found, labels = federated(method, world), world.federation.examples.labels
    chosen = evaluated(method, OwnOrShared(), world, found)
    took_own = set()
    for position, client in enumerate(world.federation.clients):
        own = method.own_params(world.model, found.shared, found.private(client))

        def predicted(params: Params, rows: np.ndarray) -> np.ndarray:
            return np.asarray(predict(world.model, params, world.activations, rows))

        right = [
            (predicted(params, client.val).argmax(1) == labels[client.val]).sum() for params in (found.shared, own)
        ]
        if len(client.val) and right[0] != right[1]:
            assert chosen.accepted[position] == (right[1] > right[0])
        params = own if chosen.accepted[position] else found.shared
        np.testing.assert_allclose(chosen.probabilities["test"][position], predicted(params, client.test), atol=1e-5)
        took_own |= {bool(chosen.accepted[position])}
    assert took_own == {False, True}


def test_without_the_choice_all_have_the_mean() -> None:
    world, method = open_world("head"), method_of(trainable="head")
    found = federated(method, world)
    everyone = evaluated(method, Keep(), world, found)
    for position, client in enumerate(world.federation.clients):
        expected = predict(world.model, found.shared, world.activations, client.test)
        np.testing.assert_allclose(everyone.probabilities["test"][position], expected, atol=1e-6)


def test_who_has_not_taken_part_has_the_mean() -> None:
    world, method = open_world("head"), method_of(trainable="head")
    found = federated(method, world)
    assert 0 < len(found.privates) < len(world.federation.clients)
    forced = evaluated(method, OwnOrShared(accept=False), world, found)
    for position, client in enumerate(world.federation.clients):
        same = predict(world.model, found.shared, world.activations, client.test)
        far = float(np.abs(forced.probabilities["test"][position] - same).max())
        assert (far > 1e-3) == (client.id in found.privates)


def test_a_next_stage_begins_with_the_mean() -> None:
    world, method = open_world("head"), method_of(trainable="head")
    found = federated(method, world)
    assert Received(world.model, found.shared, method, found).common == found.shared


@pytest.mark.parametrize(
    ("federate", "received"),
    [((), "nothing federated"), ("fedavg", "'fedavg'"), (["merge_once", "fedavg"], "'fedavg'")],
)
def test_who_keeps_no_model_of_its_own_has_no_choice(federate: Any, received: str) -> None:
    with pytest.raises(SettingError, match=f"received {received}; take merge_once, or another adaptation"):
        Arm("choice", start="pretrained", federate=federate, adapt="own_or_shared")
    Arm("choice", start="pretrained", federate=["fedavg", "merge_once"], adapt="own_or_shared")
