"""A stack's batches are its members' batches, padded."""

import itertools

import numpy as np
import pytest
import torch

from headstart.engine.clients import Clients, example_weights
from headstart.engine.order import PADDING
from headstart.models.batch import Batch
from headstart.testing import World, open_world
from headstart.testing.compare import assert_same
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
@pytest.mark.parametrize("client", EVERYONE.tolist())
def test_stacked_batches_are_the_members_own(
    world: World, team: Clients, balance: str, settings: dict[str, int], client: int
) -> None:
    passes = Passes(batch_size=4, balance=balance, stream="phase", **settings)  # type: ignore[arg-type]
    stacked = list(team.some(EVERYONE, KEY).batches(world.model, passes))
    own = list(team.one(client, KEY).batches(world.model, passes))
    assert all(len(batch.labels) and batch.full for batch in own)
    assert not any(batch.full for batch in stacked), "one client is empty"
    assert [bool(batch.active[client]) for batch in stacked] == [step < len(own) for step in range(len(stacked))]
    assert_same("batches", {name: placed(stacked, name, client) for name in PARTS}, own_of(own, stacked))


PARTS = ("inputs", "labels", "weights")


def placed(stacked: list[Batch], name: str, client: int) -> torch.Tensor:
    """Return one client's part of every batch of a stack, ``(steps, rows, …)``, zeros where it has no weight."""
    values = torch.stack([getattr(batch, name)[client] for batch in stacked])
    weights = torch.stack([batch.weights[client] for batch in stacked])
    return values * (weights > 0).reshape(*weights.shape, *[1] * (values.dim() - 2))


def own_of(own: list[Batch], stacked: list[Batch]) -> dict[str, torch.Tensor]:
    """Return a client's own batches where a stack of so many steps has them, zeros elsewhere."""
    found = {name: torch.zeros_like(torch.stack([getattr(batch, name)[0] for batch in stacked])) for name in PARTS}
    for (step, batch), name in itertools.product(enumerate(own), PARTS):
        found[name][step, : len(batch.labels)] = getattr(batch, name)
    return found


@pytest.mark.parametrize("positions", [[3, 5], [5, 3], [4, 0, 3]], ids=str)
def test_a_walk_meets_the_examples_that_batches_meet(world: World, team: Clients, positions: list[int]) -> None:
    passes, some = Passes(batch_size=4, epochs=3, balance="loss"), team.some(np.array(positions), KEY)
    walk, everything = some.dual_passes(world.model, world.params, passes), some.everything(world.model)
    assert walk is not None
    batches = list(some.batches(world.model, passes))
    assert list(walk.full) == [batch.full for batch in batches] == [bool(batch.active.all()) for batch in batches]
    weights = torch.stack([batch.weights for batch in batches], dim=1)
    assert torch.equal(walk.weights, weights)
    met = torch.stack([own[at] for own, at in zip(everything.inputs, walk.positions, strict=True)])
    inputs = torch.stack([batch.inputs for batch in batches], dim=1)
    assert torch.equal(met * weights[..., None], inputs * weights[..., None])
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
