"""Every way to do a job: as stacks cut into chunks that fit, one by one, in processes."""

from typing import Any

import pytest

from engine.ways.jobs import FORKS, WORKERS, job_of, results_of
from headstart.core.errors import SettingError
from headstart.core.trees import Tree
from headstart.engine.protocol import Chunk, Failure
from headstart.engine.rounds import run_rounds
from headstart.engine.ways.fleet import Fleet
from headstart.engine.ways.serial import Serial
from headstart.federate import FedAvg, Schedule
from headstart.models.model import Model
from headstart.testing import World, open_world
from headstart.testing.compare import Breaking, assert_same
from headstart.training.client_data import ClientData
from headstart.training.local import LocalTraining


def per_chunk(world: World, clients: int) -> Fleet:
    """A fleet whose chunks hold so many clients: the widest has 16 examples, each feature is counted four times."""
    head = world.model.num_trainable
    return Fleet(chunk_bytes=clients * 16 * (16 * world.model.network.num_features + head))


@pytest.mark.parametrize("size", [1, 2, 4, 6, 100, pytest.param("workers", marks=FORKS)])
def test_every_client_is_done_once_with_its_own_private_tree(world: World, size: Any) -> None:
    job, found = job_of(world), {}
    engine = per_chunk(world, size) if isinstance(size, int) else Fleet(way=size, workers=2)
    results = results_of(engine, world, job)
    widest = max(len(r.positions) for r in results if isinstance(r, Chunk))
    assert widest == (min(size, 6) if isinstance(size, int) else 1)
    chunks = [result for result in results if isinstance(result, Chunk)]
    for positions, (updates, privates) in ((chunk.positions, chunk.results) for chunk in chunks):
        examples, private = updates["examples"].tolist(), privates["position"].tolist()
        found |= dict(zip(positions, zip(examples, private, strict=True), strict=True))
    assert len(chunks) == len(results)
    assert found == {i: (len(c.train), i + 1) for i, c in enumerate(job.clients.members)}


@pytest.mark.parametrize("size", [1, 2, 4, 100, pytest.param("workers", marks=FORKS)])
def test_a_chunk_that_fails_is_done_again_to_find_the_culprit(world: World, size: Any) -> None:
    job, engine = job_of(world), per_chunk(world, size) if isinstance(size, int) else WORKERS
    results = results_of(Breaking(engine, raises="c4", diverges=""), world, job)
    failures = [result for result in results if isinstance(result, Failure)]
    assert [(job.clients.members[f.position].id, f.reason) for f in failures] == [("c4", "OSError: the disk is full")]
    done = sorted(p for r in results if isinstance(r, Chunk) for p in r.positions)
    assert [job.clients.members[p].id for p in done] == ["c0", "c1", "c3", "c5", "c6"]


@pytest.mark.parametrize(
    "engine", [Serial(), Fleet(), pytest.param(WORKERS, marks=FORKS)], ids=["serial", "fleet", "workers"]
)
def test_no_clients_no_results(world: World, engine: Any) -> None:
    assert results_of(engine, world, job_of(world), []) == []


@pytest.mark.parametrize("engine", [Serial(), Fleet()], ids=["serial", "fleet"])
def test_what_ends_the_program_is_not_a_clients_failure(world: World, engine: Any) -> None:
    def interrupted(model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, ...]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        results_of(engine, world, job_of(world, interrupted))


@FORKS
def test_numbers_do_not_depend_on_processes_whatever_the_way() -> None:
    """One core, two, or none to spare: the same bits."""
    world = open_world("all")
    method = FedAvg(trainable="all", local=LocalTraining(batch_size=4), schedule=Schedule(rounds=2))
    clients = world.federation.seen_clients

    def run(**settings: Any) -> Tree:
        engine = Fleet(**settings)
        return run_rounds(method, world.model, world.params, clients, world.activations, engine=engine, seed=0).shared

    for way in (None, "grouped", "workers"):
        alone, two, three = (run(way=way, workers=count) for count in (1, 2, 3))
        assert_same(f"{way}: one process and two", alone, two)
        assert_same(f"{way}: one process and three", alone, three)


def test_a_way_that_a_network_does_not_know_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headstart.engine.ways.calibration.why_not_grouped", lambda *_: "a layer is unknown")
    world = open_world("all")
    with pytest.raises(SettingError, match=r"engine\.way: .* received 'grouped', .*: a layer is unknown; set \"auto\""):
        results_of(Fleet(way="grouped"), world, job_of(world))
    # What nobody asked for is not missed.
    assert Fleet().placement(job_of(world)).way == "workers"
