"""A stack's batches are its members' batches, padded."""

import numpy as np
import pytest
import torch

from headstart.engine.team import ManyClients, Team
from headstart.testing import World, open_world


@pytest.fixture(scope="module")
def world() -> World:
    return open_world("head")


@pytest.fixture(scope="module")
def team(world: World) -> Team:
    return Team(world.federation.clients, world.activations, (0, "test"))


@pytest.mark.parametrize("balance", ["none", "loss", "sampling"])
@pytest.mark.parametrize("settings", [{"epochs": 2}, {"epochs": 1, "steps": 5}], ids=str)
def test_stacked_batches_are_the_members_own(world: World, team: Team, balance: str, settings: dict[str, int]) -> None:
    asked = {"batch_size": 4, "balance": balance, "stream": "phase", **settings}
    stacked = list(team.some(slice(None)).batches(world.model, **asked))
    for i, _ in enumerate(team.clients):
        own = list(team.one(i).batches(world.model, **asked))
        assert all(len(batch.labels) for batch in own)
        for step, batch in enumerate(stacked):
            if step >= len(own):
                assert not batch.active[i]
                continue
            size = len(own[step].labels)
            assert batch.active[i]
            assert torch.equal(batch.inputs[i, :size], own[step].inputs)
            assert torch.equal(batch.labels[i, :size], own[step].labels)
            assert torch.equal(batch.weights[i, :size], own[step].weights)
            assert not batch.weights[i, size:].any()


def test_everything_is_every_example_once(world: World, team: Team) -> None:
    stacked = team.some(slice(2, 5)).everything(world.model)
    assert stacked.inputs.shape == (3, 16, 128)
    assert stacked.weights.sum(1).tolist() == [0, 16, 1]
    rows = torch.from_numpy(world.federation.clients[3].train)
    assert torch.equal(stacked.inputs[1], world.activations.at(world.model)[rows])
    assert torch.equal(stacked.labels[1], world.activations.labels[rows])


def test_a_stack_of_empty_clients(world: World, team: Team) -> None:
    nobody = ManyClients([team.one(2), team.one(2)])
    assert list(nobody.batches(world.model, batch_size=4, epochs=3)) == []
    everything = nobody.everything(world.model)
    assert everything.weights.shape == (2, 1)
    assert not everything.weights.any()


def test_the_order_is_keyed_by_client_round_and_stream(world: World, team: Team) -> None:
    def order(team: Team, position: int, stream: str = "") -> list[int]:
        return team.one(position).plan(4, 2, None, "none", stream).ravel().tolist()

    other_round = Team(team.clients, team.activations, (1, "test"))
    first_two = Team(team.clients[:4], team.activations, (0, "test"))
    assert order(team, 3) == order(first_two, 3), "who else is there does not matter"
    assert order(team, 3) != order(other_round, 3)
    assert order(team, 3) != order(team, 3, "another")


def test_class_weights_are_of_the_client_not_of_the_batch(world: World, team: Team) -> None:
    one = team.one(3)
    labels = world.federation.examples.labels[one.indices]
    totals = [one.weights("loss")[labels == label].sum() for label in np.unique(labels)]
    np.testing.assert_allclose(totals, totals[0], rtol=1e-5)
    assert one.weights("none").tolist() == [1.0] * 16
