"""What clients sent, added up at once or block by block."""

import numpy as np
import pytest
import torch

from headstart.core.arrays import Array
from headstart.core.trees import Tree
from headstart.engine.clients import Clients
from headstart.engine.protocol import Adding, Chunk, Failure
from headstart.engine.sums import Sum
from headstart.testing import World, open_world


@pytest.fixture
def world() -> World:
    return open_world("head")


def _sent(positions: Array) -> Chunk:
    values = torch.as_tensor(positions, dtype=torch.float64)
    return Chunk(positions.tolist(), ({"w": values.view(-1, 1) + 1}, {"own": values.view(-1, 1)}))


def _summed(world: World, adding: Adding, *results: Chunk | Failure) -> Sum:
    clients, summed = Clients(world.federation.clients, world.activations), Sum(adding)
    for result in results:
        summed.take(result, clients.rows)
    return summed


@pytest.mark.parametrize("adding", [Adding(), Adding(is_equal=True, is_mean=False), Adding(needs_all=True)])
def test_blocks_that_are_joined_are_what_came_in_at_once(world: World, adding: Adding) -> None:
    first, second = np.arange(2), np.arange(2, 5)
    parts = [_summed(world, adding, _sent(positions)) for positions in (first, second)]
    joined = _summed(world, adding, *(Chunk([], (), [part]) for part in parts))
    once = _summed(world, adding, _sent(first), _sent(second))
    assert torch.equal(joined.total["w"], once.total["w"])
    assert (joined.upload, joined.heaviest.total, len(joined.updates)) == (
        once.upload,
        once.heaviest.total,
        len(once.updates),
    )
    assert [own.tolist() for own, _ in joined.privates] == [[0, 1], [2, 3, 4]]


def test_what_each_client_sent_is_stacked_by_position(world: World) -> None:
    late, early = np.array([4, 2]), np.array([3, 0])
    summed = _summed(world, Adding(needs_all=True), _sent(late), _sent(early))
    sent = torch.cat([_sent(late).results[0]["w"], _sent(early).results[0]["w"]])
    assert torch.equal(summed.stack["w"], sent[[3, 1, 2, 0]])


def test_a_client_whose_numbers_are_not_finite_is_left_out_alone(world: World) -> None:
    sent = _sent(np.arange(3))
    sent.results[0]["w"][1] = torch.nan
    summed = _summed(world, Adding(is_equal=True), sent, Failure(4, "it is ill"))
    assert summed.excluded == [(1, "what it computed has numbers that are not finite"), (4, "it is ill")]
    assert summed.total["w"].tolist() == [1 + 3]


def test_an_update_of_another_shape_is_left_out(world: World) -> None:
    other: Tree = {"w": torch.ones(1, 2, dtype=torch.float64)}
    summed = _summed(world, Adding(), _sent(np.arange(2)), Chunk([3], (other, {})))
    assert [position for position, _ in summed.excluded] == [3]


def test_private_trees_go_where_they_are_kept(world: World) -> None:
    kept: list[list[int]] = []
    clients = Clients(world.federation.clients, world.activations)
    summed = Sum(Adding(), put=lambda positions, _: kept.append(positions.tolist()))
    summed.take(_sent(np.arange(2)), clients.rows)
    assert (kept, summed.privates) == ([[0, 1]], [])
