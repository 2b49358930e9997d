"""Deciding whether to keep what was adapted, and evaluating what was kept."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from headstart.adapt import Everything, Finetune, Keep, LastBlocks
from headstart.core import trees
from headstart.core.arrays import Array
from headstart.core.errors import SettingError
from headstart.core.task import classification
from headstart.core.trees import Params, Tree
from headstart.engine.adaptation import Better, Evaluation, adapt_and_predict, is_better, predict_received
from headstart.engine.predict import predict
from headstart.engine.received import Received
from headstart.engine.rounds import run_rounds
from headstart.engine.ways.fleet import Fleet
from headstart.evidence.metrics import Scoring
from headstart.federate import Begin, FedAvg, Schedule
from headstart.models.model import Model
from headstart.testing import World, open_world
from headstart.testing.adapt import adapted
from headstart.training.client_data import ClientData
from headstart.training.local import LocalTraining

GOOD = Finetune(epochs=20, local=LocalTraining(batch_size=4, client_lr=0.2))


@pytest.fixture(scope="module")
def world() -> World:
    return open_world("head")


def better_by(metric: str, classes: int = 2) -> Better:
    return is_better(Scoring(metric=metric), classification(tuple(map(str, range(classes)))))


def evaluate(world: World, method: Any, shared: Received | None = None, metric: str = "accuracy") -> Evaluation:
    clients = world.federation.clients
    views = {"val": [c.val for c in clients], "test": [c.test for c in clients]}
    return adapt_and_predict(
        method,
        shared or Received(world.model, world.params),
        clients,
        world.activations,
        views,
        engine=Fleet(),
        seed=0,
        better=is_better(Scoring(metric=metric), world.federation.task),
    )


@dataclass(frozen=True)
class Harmful:
    """An adaptation that predicts a class at random, for sure."""

    accept: bool = True
    changes_nothing: ClassVar[bool] = False
    takes_own: ClassVar[bool] = False
    trainable: Any = field(default="head")

    def __call__(self, model: Model, params: Params, data: ClientData) -> Params:
        return {**params, "head.bias": params["head.bias"] + torch.tensor([0.0, 0.0, 1e3])}


def test_a_client_keeps_what_is_better_on_its_own_validation_data(world: World) -> None:
    found, labels = evaluate(world, GOOD), world.federation.examples.labels
    received = predict_received(
        Received(world.model, world.params), world.federation.clients, world.activations, val(world)
    )
    own, clients = adapted(GOOD, world), world.federation.clients
    after = [predict(world.model, own[client.id], world.activations, client.val) for client in clients]
    before = received.probabilities["val"]
    gains = [gain(labels[c.val], old, new) for c, old, new in zip(clients, before, after, strict=True)]
    decided = np.flatnonzero(gains)
    assert len(decided)
    assert found.accepted[decided].tolist() == [gains[position] > 0 for position in decided]
    kept = [new if own else old for own, old, new in zip(found.accepted, before, after, strict=True)]
    np.testing.assert_allclose(np.concatenate(found.probabilities["val"]), np.concatenate(kept), atol=1e-5)


def gain(labels: np.ndarray, before: np.ndarray, after: np.ndarray) -> int:
    """How many examples more are right; of no examples none."""
    return int((after.argmax(1) == labels).sum()) - int((before.argmax(1) == labels).sum())


def val(world: World) -> dict[str, list[np.ndarray]]:
    return {"val": [client.val for client in world.federation.clients]}


def test_a_harmful_adaptation_is_refused_unless_the_rule_is_off(world: World) -> None:
    labels = world.federation.examples.labels
    spoilt = np.array([len(c.val) > 0 and not (labels[c.val] == 2).any() for c in world.federation.clients])
    assert spoilt.any()
    refused, forced = evaluate(world, Harmful()), evaluate(world, Harmful(accept=False))
    assert not refused.accepted[spoilt].any()
    assert forced.accepted.all()
    assert all((found.argmax(1) == 2).all() for found in forced.probabilities["test"])
    received = predict_received(
        Received(world.model, world.params),
        world.federation.clients,
        world.activations,
        {"test": [c.test for c in world.federation.clients]},
    )
    kept, old = (
        np.concatenate([found.probabilities["test"][i] for i in np.flatnonzero(spoilt)])
        for found in (refused, received)
    )
    np.testing.assert_allclose(kept, old, atol=1e-6)


def test_a_client_without_validation_data_keeps_what_it_adapted(world: World) -> None:
    (position,) = [i for i, client in enumerate(world.federation.clients) if not len(client.val)]
    assert evaluate(world, Harmful()).accepted[position]


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "macro_f1"])
def is_one_better(metric: str, labels: Array, received: Array, adapted: Array) -> bool:
    return bool(better_by(metric)([labels], [received], [adapted])[0])


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "macro_f1"])
def test_a_tie_goes_to_the_lower_log_loss(metric: str) -> None:
    labels, better = np.array([0, 1]), partial(is_one_better, metric)
    sure, unsure = np.array([[0.9, 0.1], [0.1, 0.9]]), np.array([[0.6, 0.4], [0.4, 0.6]])
    wrong = np.array([[0.4, 0.6], [0.4, 0.6]])
    assert better(labels, unsure, sure)
    assert not better(labels, sure, unsure)
    assert not better(labels, sure, sure), "no better: it stays"
    assert not better(labels, unsure, wrong)
    assert better(labels, wrong, unsure)


@pytest.mark.parametrize("metric", ["log_loss", "calibration_error"])
def test_of_a_loss_less_is_better(metric: str) -> None:
    labels = np.array([0, 1, 0, 1])
    good = np.array([[0.95, 0.05], [0.05, 0.95]] * 2)
    bad = np.array([[0.4, 0.6], [0.6, 0.4]] * 2)
    assert is_one_better(metric, labels, bad, good)
    assert not is_one_better(metric, labels, good, bad)


def test_each_client_is_judged_alone() -> None:
    labels, nothing = np.array([0, 1]), np.empty(0, dtype=np.int64)
    sure, unsure = np.array([[0.9, 0.1], [0.1, 0.9]]), np.array([[0.6, 0.4], [0.4, 0.6]])
    none = np.empty((0, 2))
    found = better_by("accuracy")([labels, nothing, labels], [unsure, none, sure], [sure, none, unsure])
    assert found.tolist() == [True, False, False]


def test_what_is_kept_is_one_pass_for_all(world: World) -> None:
    shared, clients = Received(world.model, world.params), world.federation.clients
    found = predict_received(shared, clients, world.activations, {"test": [c.test for c in clients]})
    assert not found.accepted.any()
    alone = [predict(world.model, world.params, world.activations, client.test) for client in clients]
    np.testing.assert_allclose(np.concatenate(found.probabilities["test"]), np.concatenate(alone), atol=1e-6)
    assert_equal_predictions(found, evaluate_kept(world), "test")


def evaluate_kept(world: World) -> Evaluation:
    return evaluate(world, Keep())


def assert_equal_predictions(left: Evaluation, right: Evaluation, view: str) -> None:
    one, other = left.probabilities[view], right.probabilities[view]
    assert [len(part) for part in one] == [len(part) for part in other]
    np.testing.assert_allclose(np.concatenate(one), np.concatenate(other), atol=1e-6)


@dataclass(frozen=True, kw_only=True)
class PrivateBlock(FedAvg):
    """Everything from the last block up stays with the client."""

    private_from: str = "blocks.1"

    def init(self, model: Model, params: Params) -> Begin:
        shared = {n: v for n, v in params.items() if n < self.private_from}
        return Begin(shared, {n: v for n, v in params.items() if n not in shared}, {})

    def client_update(self, model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
        trained = self.local.fit(model, {**shared, **private}, data, 1)
        return trees.subtract(trees.select(trained, shared), shared), trees.select(trained, private)

    def personal_params(self, model: Model, shared: Tree, private: Tree) -> Params:
        return {**shared, **private}


def federated_privately(method: FedAvg) -> tuple[World, Received]:
    world = open_world("all")
    clients = world.federation.seen_clients
    run = run_rounds(method, world.model, world.params, clients, world.activations, engine=world.engine, seed=0)
    return world, Received(world.model, world.params, method, run)


def test_clients_with_a_head_of_their_own_can_probe_it() -> None:
    """The cut of the adaptation lies above that of the federated stage; below it all clients agree."""
    world, shared = federated_privately(PrivateBlock(private_from="head", schedule=Schedule(rounds=2)))
    assert shared.is_personal
    found = evaluate(world, Finetune(epochs=1, local=LocalTraining(client_lr=1e-9), accept=False), shared)
    assert not found.excluded
    kept = predict_received(shared, world.federation.clients, world.activations, val(world))
    assert_equal_predictions(kept, found, "val")
    depths = (LastBlocks(k=2), Everything())
    whole = [evaluate(world, Finetune(depth=depth, epochs=1), shared) for depth in depths]
    assert [found.excluded for found in whole] == [(), ()]


def test_an_adaptation_cannot_freeze_what_differs_between_clients() -> None:
    world, shared = federated_privately(PrivateBlock(schedule=Schedule(rounds=1)))
    with pytest.raises(SettingError, match=r"adapt\.trainable: .*received 'head'.*trains more blocks"):
        evaluate(world, Finetune(), shared)
    assert not evaluate(world, Finetune(depth=LastBlocks(k=1), epochs=1), shared).excluded


def test_private_numbers_that_are_not_finite_leave_a_client_out() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Spoils(PrivateBlock):
        def client_update(self, model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
            update, kept = PrivateBlock.client_update(self, model, shared, private, data)
            spoilt = len(data.everything(model).labels) == 16
            return update, trees.scale(kept, float("nan")) if spoilt else kept

    _, shared = federated_privately(Spoils(schedule=Schedule(rounds=1)))
    assert shared.federated is not None
    assert [e.client for e in shared.federated.excluded] == ["c3"]
    assert "c3" not in shared.federated.privates


def test_clients_with_weights_of_their_own_predict_in_halves_where_memory_is_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, shared = federated_privately(PrivateBlock(schedule=Schedule(rounds=1)))
    clients = world.federation.clients
    expected = predict_received(shared, clients, world.activations, val(world))
    whole, tried = trees.stack, list[int]()

    def short(parts: list[Tree]) -> Tree:
        tried.append(len(parts))
        if len(parts) > 2:
            raise MemoryError
        return whole(parts)

    monkeypatch.setattr(trees, "stack", short)
    assert_equal_predictions(predict_received(shared, clients, world.activations, val(world)), expected, "val")
    assert tried[0] == len(clients) > 2
    assert max(tried[-2:]) <= 2
