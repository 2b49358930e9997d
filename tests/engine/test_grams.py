"""Inner products are computed once, and are those of the clients who are asked for."""

import numpy as np
import pytest
import torch

from headstart.engine.grams import Grams
from headstart.engine.rows import RowTable
from headstart.testing import World, open_world
from headstart.training.client_data import Passes


@pytest.fixture(scope="module")
def world() -> World:
    return open_world("head")


@pytest.fixture
def rows(world: World) -> RowTable:
    return RowTable(world.federation.clients, world.activations)


@pytest.fixture
def grams(world: World, rows: RowTable) -> Grams:
    return Grams(rows, world.model.network.num_features, torch.float64)


@pytest.mark.parametrize("asked", [[3], [5, 0, 3], list(range(7))], ids=str)
def test_they_are_the_products_of_the_clients_features(
    world: World, rows: RowTable, grams: Grams, asked: list[int]
) -> None:
    features = rows.take(world.model, np.array(asked)).double()
    torch.testing.assert_close(grams.at(world.model, np.array(asked)), features @ features.mT + 1)


def test_a_second_look_gives_the_same(world: World, grams: Grams) -> None:
    first = grams.at(world.model, np.array([0, 3])).clone()
    grams.at(world.model, np.array([5, 6]))
    assert torch.equal(grams.at(world.model, np.array([0, 3])), first)


@pytest.mark.parametrize(
    ("steps", "classes", "pays"),
    [(1, 3, False), (200, 3, True), (4, 200, False)],
    ids=["once", "often", "many classes"],
)
def test_they_pay_where_examples_are_met_often(grams: Grams, steps: int, classes: int, pays: bool) -> None:
    assert grams.pay(np.array([3]), Passes(batch_size=4, steps=steps), classes) == pays
