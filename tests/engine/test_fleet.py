"""Stacks of clients, cut into chunks that fit."""

from typing import Any

import pytest
import torch

from headstart.core import trees
from headstart.core.trees import Tree
from headstart.engine.fleet import Fleet
from headstart.engine.protocol import Chunk, Failure
from headstart.engine.serial import Serial
from headstart.engine.team import Team
from headstart.models.batches import ClientData
from headstart.models.model import Model
from headstart.testing import World, open_world
from headstart.testing.compare import Breaking


@pytest.fixture(scope="module")
def world() -> World:
    return open_world("head")


def team_of(world: World) -> Team:
    return Team([c for c in world.federation.clients if len(c.train)], world.activations, (0, "test"))


def per_chunk(world: World, clients: int) -> Fleet:
    """A fleet whose chunks hold so many clients: the widest has 16 examples, each feature is counted twice."""
    return Fleet(chunk_bytes=clients * 16 * world.model.network.num_features * 16)


def count(model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
    """Number of examples, and the private tree plus one."""
    batch = data.everything(model)
    return {"examples": batch.weights.sum(-1)}, trees.map_tree(lambda value: value + 1, private)


def results_of(engine: Any, world: World, team: Team) -> list[Chunk | Failure]:
    privates = [{"position": torch.tensor(float(i))} for i, _ in enumerate(team.clients)]
    return list(engine.map(count, world.model, world.params, privates, team))


@pytest.mark.parametrize("size", [1, 2, 4, 6, 100])
def test_every_client_is_done_once_with_its_own_private_tree(world: World, size: int) -> None:
    team, found = team_of(world), {}
    results = results_of(per_chunk(world, size), world, team)
    assert max(len(r.positions) for r in results if isinstance(r, Chunk)) == min(size, len(team.clients))
    for result in results:
        assert isinstance(result, Chunk)
        updates, privates = result.results
        for i, position in enumerate(result.positions):
            found[position] = (float(updates["examples"][i]), float(privates["position"][i]))
    assert found == {i: (len(c.train), i + 1) for i, c in enumerate(team.clients)}


@pytest.mark.parametrize("size", [1, 2, 4, 100])
def test_a_chunk_that_fails_is_done_again_to_find_the_culprit(world: World, size: int) -> None:
    team = team_of(world)
    results = results_of(Breaking(per_chunk(world, size), raises="c4", diverges=""), world, team)
    failures = [result for result in results if isinstance(result, Failure)]
    assert [(team.clients[f.position].id, f.reason) for f in failures] == [("c4", "OSError: the disk is full")]
    done = sorted(p for r in results if isinstance(r, Chunk) for p in r.positions)
    assert [team.clients[p].id for p in done] == ["c0", "c1", "c3", "c5", "c6"]


def test_below_the_head_it_is_the_serial_engine() -> None:
    world = open_world("all")
    results = results_of(Fleet(), world, team_of(world))
    assert [list(r.positions) for r in results if isinstance(r, Chunk)] == [[i] for i in range(6)]


def test_no_clients_no_results(world: World) -> None:
    nobody = Team([], world.activations, (0, "test"))
    assert results_of(Fleet(), world, nobody) == results_of(Serial(), world, nobody) == []


def test_what_ends_the_program_is_not_a_clients_failure(world: World) -> None:
    def interrupted(model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, ...]:
        raise KeyboardInterrupt

    for engine in (Serial(), Fleet()):
        with pytest.raises(KeyboardInterrupt):
            list(engine.map(interrupted, world.model, world.params, [{}] * 6, team_of(world)))
