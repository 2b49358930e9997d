"""A stack's batches are its members' batches, padded."""

import numpy as np
import pytest
import torch

from headstart.engine.clients import Clients, example_weights
from headstart.engine.order import PADDING
from headstart.testing import World, open_world
from headstart.training.client_data import Passes

KEY = (0, "test")
EVERYONE = np.arange(7)


@pytest.fixture(scope="module")
def world() -> World:
    return open_world("head")


@pytest.fixture(scope="module")
def team(world: World) -> Clients:
    return Clients(world.federation.clients, world.activations)


@pytest.mark.parametrize("balance", ["none", "loss", "sampling"])
@pytest.mark.parametrize("settings", [{"epochs": 2}, {"epochs": 1, "steps": 5}], ids=str)
def test_stacked_batches_are_the_members_own(
    world: World, team: Clients, balance: str, settings: dict[str, int]
) -> None:
    passes = Passes(batch_size=4, balance=balance, stream="phase", **settings)  # type: ignore[arg-type]
    stacked = list(team.some(EVERYONE, KEY).batches(world.model, passes))
    for i in EVERYONE:
        own = list(team.one(int(i), KEY).batches(world.model, passes))
        assert all(len(batch.labels) and batch.full for batch in own)
        for step, batch in enumerate(stacked):
            assert not batch.full, "one client is empty"
            if step >= len(own):
                assert not batch.active[i]
                continue
            size = len(own[step].labels)
            assert batch.active[i]
            assert torch.equal(batch.inputs[i, :size], own[step].inputs)
            assert torch.equal(batch.labels[i, :size], own[step].labels)
            assert torch.equal(batch.weights[i, :size], own[step].weights)
            assert not batch.weights[i, size:].any()


@pytest.mark.parametrize("positions", [[3, 5], [5, 3], [4, 0, 3]], ids=str)
def test_a_walk_meets_the_examples_that_batches_meet(world: World, team: Clients, positions: list[int]) -> None:
    passes, some = Passes(batch_size=4, epochs=3, balance="loss"), team.some(np.array(positions), KEY)
    walk, everything = some.dual_passes(world.model, world.params, passes), some.everything(world.model)
    assert walk is not None
    for step, batch in enumerate(some.batches(world.model, passes)):
        assert walk.full[step] == batch.full == bool(batch.active.all())
        assert torch.equal(walk.weights[:, step], batch.weights)
        met = torch.stack([own[at] for own, at in zip(everything.inputs, walk.positions[:, step], strict=True)])
        assert torch.equal(met * batch.weights[..., None], batch.inputs * batch.weights[..., None])
    products = everything.inputs @ everything.inputs.mT + 1
    torch.testing.assert_close(walk.gram, products)


def test_everything_is_every_example_once(world: World, team: Clients) -> None:
    stacked = team.some(np.arange(2, 5), KEY).everything(world.model)
    assert stacked.inputs.shape == (3, 16, 128)
    assert stacked.weights.sum(1).tolist() == [0, 16, 1]
    rows = torch.from_numpy(world.federation.clients[3].train)
    assert torch.equal(stacked.inputs[1], world.activations.at(world.model)[rows])
    assert torch.equal(stacked.labels[1], world.activations.labels[rows])


def test_a_stack_of_empty_clients(world: World, team: Clients) -> None:
    nobody = team.some(np.array([2, 2]), KEY)
    assert list(nobody.batches(world.model, Passes(batch_size=4, epochs=3))) == []
    everything = nobody.everything(world.model)
    assert everything.weights.shape == (2, 1)
    assert not everything.weights.any()


def test_class_weights_are_of_the_client_not_of_the_batch(world: World, team: Clients) -> None:
    labels = world.federation.examples.labels[world.federation.clients[3].train]
    totals = [example_weights(labels, "loss")[labels == label].sum() for label in np.unique(labels)]
    np.testing.assert_allclose(totals, totals[0], rtol=1e-5)
    assert example_weights(labels, "none").tolist() == [1.0] * 16


def test_an_order_of_ones_own(world: World) -> None:
    def backwards(ids: object, labels: list[np.ndarray], passes: Passes, key: object) -> np.ndarray:
        order = np.full((len(labels), 1, 16), PADDING, dtype=np.int64)
        for i, own in enumerate(labels):
            order[i, 0, : len(own)] = np.arange(len(own))[::-1]
        return order

    team = Clients(world.federation.clients, world.activations, backwards)  # type: ignore[arg-type]
    (batch,) = team.one(0, KEY).batches(world.model, Passes(batch_size=16))
    rows = torch.from_numpy(world.federation.clients[0].train[::-1].copy())
    assert torch.equal(batch.labels, world.activations.labels[rows])
