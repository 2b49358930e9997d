"""kNN-Per: the vote of a client's own nearest examples, alone and in stacks, and who is asked for it."""

from typing import Any

import numpy as np
import pytest
import torch

from headstart.adapt import METHODS, Keep, Knn
from headstart.adapt.knn import WEIGHTS, neighbour_votes
from headstart.core import trees
from headstart.core.arrays import Array
from headstart.core.errors import SettingError
from headstart.core.trees import Params, Tree
from headstart.engine.adaptation import Evaluation, adapt_and_predict, is_better
from headstart.engine.clients import Clients
from headstart.engine.predict import Predictor
from headstart.engine.received import Received
from headstart.engine.rounds import run_rounds
from headstart.engine.ways.fleet import Fleet
from headstart.engine.ways.serial import Serial
from headstart.evidence.metrics import Scoring
from headstart.federate import FedAvg, Schedule
from headstart.models.model import Model
from headstart.testing import World, open_world
from headstart.testing.compare import assert_same

EMPTY, SINGLE, LARGE, WITHOUT_VAL = 2, 4, 3, 1


@pytest.fixture(scope="module", params=[torch.float32, torch.float64], ids=["float32", "float64"])
def world(request: pytest.FixtureRequest) -> World:
    return open_world("head", dtype=request.param)


def evaluate(
    world: World, method: Any, engine: Any = None, shared: Received | None = None, **views: list[Array]
) -> Any:
    clients = world.federation.clients
    views = {"val": [c.val for c in clients], "test": [c.test for c in clients], **views}
    shared = shared or Received(world.model, world.params)
    better = is_better(Scoring(), world.federation.task)
    return adapt_and_predict(
        method, shared, clients, world.activations, views, engine=engine or Serial(), seed=0, better=better
    )


def forced(world: World, engine: Any = None, **settings: Any) -> Evaluation:
    """Everybody predicts with the mixture."""
    found: Evaluation = evaluate(world, Knn(accept=False, **settings), engine)
    return found


def by_hand(world: World, position: int, k: int, weight: float, scale: float) -> Array:
    """One client's mixture with scikit-learn's neighbours, in float64."""
    from sklearn.neighbors import NearestNeighbors

    client, features = world.federation.clients[position], world.activations.at(world.model).double().numpy()
    own, queries = features[client.train], features[client.test]
    labels = np.eye(3)[world.federation.examples.labels[client.train]]
    distances, places = NearestNeighbors(n_neighbors=min(k, len(own)), algorithm="brute").fit(own).kneighbors(queries)
    kernel = np.exp(-(distances**2) / (scale * features.shape[1]))
    votes = (kernel[..., None] * labels[places]).sum(1) / kernel.sum(1, keepdims=True)
    head = {name: value.double().numpy() for name, value in world.params.items()}
    scores = np.exp(queries @ head["head.weight"].T + head["head.bias"])
    mixed: Array = weight * votes + (1 - weight) * scores / scores.sum(1, keepdims=True)
    return mixed


@pytest.mark.parametrize("engine", [Serial(), Fleet(way="stack")], ids=["serial", "stack"])
@pytest.mark.parametrize(("k", "weight", "scale"), [(10, 0.5, 1.0), (3, 0.8, 0.01), (1, 1.0, 5.0), (50, 0.2, 0.1)])
def test_it_equals_scikit_learn(world: World, engine: Any, k: int, weight: float, scale: float) -> None:
    """Clients with more, as many and fewer examples than ``k``, of which some lack classes."""
    found = forced(world, engine, k=k, weight=weight, scale=scale).probabilities["test"]
    for position in set(range(len(found))) - {EMPTY}:
        expected = by_hand(world, position, k, weight, scale)
        np.testing.assert_allclose(found[position], expected, atol=world.tolerance, err_msg=f"client {position}")
        np.testing.assert_allclose(found[position].sum(1), 1, atol=1e-12)


def test_weight_zero_is_keep(world: World) -> None:
    kept, found = evaluate(world, Keep()).probabilities["test"], forced(world, weight=0.0).probabilities["test"]
    for left, right in zip(kept, found, strict=True):
        np.testing.assert_allclose(left, right, atol=1e-12)


def test_weight_one_is_the_vote_alone(world: World) -> None:
    """A single example decides everything; classes that a client never saw get nothing; the received head is moot."""
    found = forced(world, weight=1.0).probabilities["test"]
    labels = world.federation.examples.labels
    (only,) = labels[world.federation.clients[SINGLE].train]
    np.testing.assert_array_equal(found[SINGLE], np.eye(3)[[only] * len(found[SINGLE])])
    never_seen = [
        found[position][:, np.setdiff1d(np.arange(3), labels[client.train])]
        for position, client in enumerate(world.federation.clients)
        if len(client.train)
    ]
    assert not any(votes.any() for votes in never_seen)


@pytest.mark.parametrize("engine", [Serial(), Fleet(way="stack"), Fleet(way="workers", workers=2)])
def test_a_client_without_examples_has_what_it_received(world: World, engine: Any) -> None:
    kept = evaluate(world, Keep()).probabilities["test"][EMPTY]
    for weight in (None, 1.0):
        found = forced(world, engine, weight=weight).probabilities["test"][EMPTY]
        np.testing.assert_allclose(found, kept, atol=1e-12)


def test_each_client_takes_its_best_weight(world: World) -> None:
    """Of the candidates and the received model, by validation accuracy, then log loss."""
    found, better = evaluate(world, Knn(scale=0.01)), is_better(Scoring(), world.federation.task)
    options = [evaluate(world, Keep()), *(forced(world, weight=weight, scale=0.01) for weight in WEIGHTS)]
    chosen = []
    for position, client in enumerate(world.federation.clients):
        best = 0
        for number in range(1, len(options)):
            old, new = (options[i].probabilities["val"][position] for i in (best, number))
            if len(client.val) and better([world.federation.examples.labels[client.val]], [old], [new]).all():
                best = number
        chosen.append(best if len(client.val) else 1)
        expected = options[chosen[-1]].probabilities["test"][position]
        np.testing.assert_allclose(found.probabilities["test"][position], expected, atol=world.tolerance)
    assert (found.accepted == (np.array(chosen) > 0)).all()
    assert chosen[WITHOUT_VAL] == 1
    assert len(set(chosen)) > 2, "clients differ"


def test_personal_heads_are_mixed_with_the_vote(world: World) -> None:
    """A client mixes its own received head, not another's."""

    class OwnBias(FedAvg):
        def init(self, model: Model, params: Params) -> Any:
            shared, _, state = super().init(model, params)
            return shared, {"bias": torch.zeros_like(params["head.bias"])}, state

        def client_update(self, model: Model, shared: Tree, private: Tree, data: Any) -> tuple[Tree, Tree]:
            update, _ = super().client_update(model, shared, {}, data)
            return update, {"bias": 50 * update["head.bias"]}

        def personal_params(self, model: Model, shared: Tree, private: Tree) -> Params:
            return {**shared, "head.bias": shared["head.bias"] + private["bias"]}

    method = OwnBias(trainable="head", schedule=Schedule(rounds=1))
    seen = world.federation.seen_clients
    federated = run_rounds(method, world.model, world.params, seen, world.activations, engine=Serial(), seed=0)
    shared = Received(world.model, world.params, method, federated)
    assert shared.is_personal
    serial = evaluate(world, Knn(accept=False, weight=0.6), shared=shared).probabilities["test"]
    stack = evaluate(world, Knn(accept=False, weight=0.6), Fleet(way="stack"), shared=shared).probabilities["test"]
    kept = evaluate(world, Keep(), shared=shared).probabilities["test"]
    alone = forced(world, weight=1.0).probabilities["test"]
    for position in set(range(len(serial))) - {EMPTY}:
        expected = 0.6 * alone[position] + 0.4 * kept[position]
        np.testing.assert_allclose(serial[position], expected, atol=world.tolerance)
        np.testing.assert_allclose(stack[position], expected, atol=world.tolerance)


@pytest.mark.parametrize("rows", ["everything", "nothing"])
def test_examples_in_parts(world: World, rows: str) -> None:
    """A list that all clients share, or an empty one, and so little room that every example is a part."""
    everyone = Clients(world.federation.clients, world.activations)
    positions, everything = np.arange(len(everyone.members)), np.arange(len(world.federation.examples.labels))
    knn, stack = Knn(weight=0.5), trees.broadcast(world.params, len(positions))
    memory = knn.memory(world.model, everyone.some(positions, ()))
    asked = [everything if rows == "everything" else everything[:0]] * len(positions)
    whole, parts = (
        Predictor(world.model, stack, world.activations, knn, memory, most_numbers=most).predict(positions, asked)
        for most in (2**24, 1)
    )
    np.testing.assert_allclose(np.stack(parts), np.stack(whole), atol=world.tolerance)
    assert np.stack(parts).shape == (len(positions), len(asked[0]), 3)


def test_a_view_that_all_clients_share_and_one_that_is_empty(world: World) -> None:
    clients = world.federation.clients
    everything = np.arange(len(world.federation.examples.labels))
    views = {"global_test": [everything] * len(clients), "nothing": [everything[:0]] * len(clients)}
    whole = evaluate(world, Knn(weight=0.5), Fleet(way="stack"), **views)
    alone = evaluate(world, Knn(weight=0.5), Serial(), **views)
    found, expected = (
        np.concatenate([own for parts in each.probabilities.values() for own in parts]) for each in (whole, alone)
    )
    np.testing.assert_allclose(found, expected, atol=world.tolerance)
    assert whole.probabilities["global_test"][0].shape == (len(everything), 3)
    assert whole.probabilities["nothing"][0].shape == (0, 3)


def test_padding_has_no_vote() -> None:
    generator = torch.Generator().manual_seed(0)
    queries, features = (torch.randn(n, 4, dtype=torch.float64, generator=generator) for n in (6, 5))
    labels = torch.eye(3)[torch.tensor([0, 1, 2, 0, 1])]
    alone = neighbour_votes(queries, features, labels, k=3, spread=2.0)
    # Padding repeats a real row, and would be the nearest example.
    padded = torch.cat([features, queries[:1].expand(4, -1)]), torch.cat([labels, torch.zeros(4, 3)])
    stack = neighbour_votes(*(torch.stack([t, t]) for t in (queries, *padded)), k=3, spread=2.0)
    assert torch.equal(stack[0], alone)
    assert torch.equal(stack[1], alone)


def test_examples_as_near_as_the_last_vote_too() -> None:
    """The order of examples decides nothing; far examples do not make a vote of zeros."""
    features, labels = torch.tensor([[100.0], [-100.0], [200.0]]), torch.eye(3)
    votes = neighbour_votes(torch.zeros(1, 1), features, labels, k=1, spread=1e-3)
    assert votes.tolist() == [[1.0, 1.0, 0.0]]
    assert neighbour_votes(torch.zeros(2, 1), features[:0], labels[:0], k=3, spread=1.0).tolist() == [[0.0] * 3] * 2


def test_memory_is_features_and_labels(world: World) -> None:
    team = Clients(world.federation.clients, world.activations)
    alone, stack = (
        Knn().memory(world.model, d) for d in (team.one(LARGE, ()), team.some(np.array([LARGE, EMPTY]), ()))
    )
    rows = torch.from_numpy(world.federation.clients[LARGE].train)
    assert torch.equal(alone["features"], world.activations.at(world.model)[rows])
    assert_same("alone and in a stack", trees.unstack(stack, 0), alone)
    assert not stack["labels"][1].any()


@pytest.mark.parametrize(
    ("setting", "value", "rule"),
    [
        ("weight", 1.5, "less than or equal to 1"),
        ("weight", -0.1, "greater than or equal to 0"),
        ("k", 0, "greater than 0"),
        ("scale", 0.0, "greater than 0"),
    ],
)
def test_settings_have_bounds(setting: str, value: float, rule: str) -> None:
    with pytest.raises(SettingError, match=f"{setting}: .*{rule}, received {value}"):
        METHODS["knn"].build({setting: value})
    assert METHODS["knn"].build({"weight": 1, "k": 3}).weight == 1
