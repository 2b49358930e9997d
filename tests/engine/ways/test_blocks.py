"""Sums of blocks: the same bits for any number of actors, in whichever order they are done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

from headstart.core.arrays import Array
from headstart.core.seeds import Key
from headstart.core.trees import Tree
from headstart.engine.heaviest import Heaviest
from headstart.engine.protocol import Adding, Chunk, Failure, Job
from headstart.engine.received import Federated
from headstart.engine.rounds import run_rounds
from headstart.engine.sums import Sum
from headstart.engine.ways.blocks import Blocks, blocks_of, sum_block
from headstart.engine.ways.fleet import Fleet
from headstart.engine.ways.serial import Serial
from headstart.federate import METHODS, FedAvg, Schedule
from headstart.federate.fedper import OwnHead
from headstart.testing import World, open_world
from headstart.testing.compare import assert_same
from headstart.training.local import LocalTraining

SIZE = 2


@dataclass(frozen=True)
class Actor:
    """Does blocks with an engine of its own."""

    job: Job

    def sum(self, shared: Tree, block: Array, key: tuple[Key, ...]) -> Sum:
        with Fleet(way="stack").crew(self.job) as crew:
            return sum_block(self.job, crew, shared, block, key)


def actors(count: int, asked: list[int], order: Callable[[Sequence[int]], Sequence[int]]) -> Any:
    """Return so many actors, which are done in an order of their own."""

    def begin(job: Job) -> Any:
        crew = [Actor(job) for _ in range(count)]

        def sums(shared: Tree, blocks: Sequence[Array], key: tuple[Key, ...]) -> Iterator[Sum]:
            # As fine as the test's few clients allow.
            fine = [part for block in blocks for part in blocks_of(block, SIZE)]
            asked.append(len(fine))
            found = {at: crew[at % count].sum(shared, fine[at], key) for at in order(range(len(fine)))}
            # One block holds all these few clients: their sum, in the order of what it was cut into.
            whole = Sum(found[0].adding)
            for at in range(len(fine)):
                whole.take(Chunk([], (), (found[at],)), job.clients.rows)
            return iter([whole])

        return sums

    return begin


def rounds(world: World, engine: Any, method: Any) -> Federated:
    return run_rounds(
        method, world.model, world.params, world.federation.seen_clients, world.activations, engine=engine, seed=3
    )


METHOD = FedAvg(schedule=Schedule(rounds=3), local=LocalTraining(client_lr=0.1, batch_size=4))


PRIVATE = replace(METHOD, sharing=OwnHead())


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("all", METHOD),
        ("all", PRIVATE),
        ("all", METHODS["fedadam"].build({"rounds": 2})),
        ("head", METHODS["fedprox"].build({"rounds": 2})),
        ("head", METHODS["ridge"].build({})),
    ],
    ids=["fedavg", "private heads", "fedadam", "fedprox", "ridge"],
)
def test_any_number_of_actors_gives_the_same_bits(name: Any, method: Any) -> None:
    world = open_world(name)
    asked: list[int] = []
    one = rounds(world, Blocks(Serial(), actors(1, asked, list), worth=1), method)
    three = rounds(world, Blocks(Serial(), actors(3, asked, lambda turn: list(reversed(turn))), worth=1), method)
    assert min(asked) > 1
    assert bool(one.privates) == (method is PRIVATE)
    for left, right in ((one.shared, three.shared), *zip(one.privates.values(), three.privates.values(), strict=True)):
        assert all(torch.equal(left[key], right[key]) for key in left)
    plain = rounds(world, Serial(), method)
    assert_same(name, one.shared, plain.shared, world.tolerance)
    assert (one.traffic, one.excluded, one.halved) == (plain.traffic, plain.excluded, plain.halved)


@pytest.mark.parametrize("aggregate", ["median", "krum"])
def test_a_server_that_needs_every_update_goes_the_usual_way(world: World, aggregate: str) -> None:
    asked: list[int] = []
    method = replace(METHOD, schedule=replace(METHOD.schedule, aggregate=aggregate))
    found = rounds(world, Blocks(Serial(), actors(2, asked, list), worth=1), method)
    assert asked == []
    assert_same(aggregate, found.shared, rounds(world, Serial(), method).shared, world.tolerance)


def test_small_cohorts_go_the_usual_way(world: World) -> None:
    asked: list[int] = []
    rounds(world, Blocks(Serial(), actors(2, asked, list)), METHOD)
    assert asked == []


def test_clipped_updates_and_noise_are_added_up_alike(world: World) -> None:
    schedule = replace(METHOD.schedule, clip_norm=0.01, noise_multiplier=1.0)
    method = replace(METHOD, schedule=schedule)
    asked: list[int] = []
    found = rounds(world, Blocks(Serial(), actors(2, asked, list), worth=1), method)
    assert asked
    assert_same("noisy", found.shared, rounds(world, Serial(), method).shared, world.tolerance)


class Rows:
    """Clients with one example each."""

    def sizes(self, positions: Array) -> Array:
        return np.ones(len(positions))


ROWS: Any = Rows()


def test_a_bad_client_is_left_out_of_its_block_and_named() -> None:
    here, other = Sum(Adding()), Sum(Adding())
    other.take(_chunk([4, 5], torch.tensor([[1.0], [torch.nan]])), ROWS)
    other.take(Failure(6, "it failed"), ROWS)
    here.take(Chunk([], (), (other,)), ROWS)
    assert here.excluded == [(5, "what it computed has numbers that are not finite"), (6, "it failed")]
    assert here.total["w"].tolist() == [1.0]
    assert [positions.tolist() for positions, _ in here.privates] == [[4]]


def test_a_block_of_other_shapes_is_left_out() -> None:
    here, other = Sum(Adding()), Sum(Adding())
    here.take(_chunk([0], torch.ones(1, 2)), ROWS)
    other.take(_chunk([4, 5], torch.ones(2, 3)), ROWS)
    here.take(Chunk([], (), (other,)), ROWS)
    assert [position for position, _ in here.excluded] == [4, 5]
    assert here.total["w"].tolist() == [1.0, 1.0]
    assert here.heaviest.count == 1


def test_the_heaviest_of_two_blocks_is_the_first_of_equals() -> None:
    blocks = [Heaviest() for _ in range(3)]
    for at, (block, weight) in enumerate(zip(blocks, (2.0, 5.0, 5.0), strict=True)):
        block.note({"w": torch.full((1, 1), float(at))}, torch.tensor([weight]), np.array([at]))
    for other in blocks[1:]:
        blocks[0].join(other)
    assert (blocks[0].position, blocks[0].weight, blocks[0].total, blocks[0].count) == (1, 5.0, 12.0, 3)


def _chunk(positions: list[int], values: torch.Tensor) -> Chunk:
    return Chunk(positions, ({"w": values}, {}))
