"""Rows of many clients at once."""

import numpy as np
import pytest
import torch

from headstart.engine.rows import RowTable, gather
from headstart.testing import World, open_world


@pytest.fixture(scope="module")
def world() -> World:
    return open_world("head")


@pytest.fixture
def rows(world: World) -> RowTable:
    return RowTable(world.federation.clients, world.activations)


def test_rows_are_padded_to_the_widest_of_those_asked_for(world: World, rows: RowTable) -> None:
    asked = np.array([4, 2, 5])
    found = rows.at(asked)
    assert rows.sizes(asked).tolist() == [1, 0, 7]
    assert found.shape == (3, rows.widest(asked)) == (3, 7)
    own = [found[i, : len(world.federation.clients[p].train)].tolist() for i, p in enumerate(asked)]
    assert own == [world.federation.clients[p].train.tolist() for p in asked]


def test_an_empty_client_has_room_for_one(rows: RowTable) -> None:
    assert rows.at(np.array([2])).shape == (1, 1)


def test_activations_of_the_same_clients_are_taken_once(world: World, rows: RowTable) -> None:
    first = rows.take(world.model, np.array([0, 3]))
    assert rows.take(world.model, np.array([0, 3])) is first
    assert rows.take(world.model, np.array([3, 0])) is not first
    torch.testing.assert_close(first, world.activations.at(world.model)[rows.at(np.array([0, 3]))])


@pytest.mark.parametrize(("start", "is_copied"), [([[2, 3], [4, 5]], False), ([[2, 3], [5, 4]], True)])
def test_rows_one_after_another_are_not_copied(start: list[list[int]], is_copied: bool) -> None:
    values = torch.arange(20.0).view(10, 2)
    found = gather(values, torch.tensor(start))
    assert torch.equal(found, values[torch.tensor(start)])
    assert (found.untyped_storage().data_ptr() != values.untyped_storage().data_ptr()) == is_copied
