"""How clients are split into stacks that fit."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from engine.ways.jobs import count, job_of, results_of
from headstart.core.errors import EngineError
from headstart.core.trees import Tree
from headstart.engine.protocol import Chunk, Failure, Job
from headstart.engine.ways import stacks
from headstart.engine.ways.fleet import Fleet
from headstart.engine.ways.stacks import Stacked
from headstart.models.lora import Lora
from headstart.models.memory import bytes_kept
from headstart.models.model import Model
from headstart.testing import World, open_world


@pytest.mark.parametrize("room", [1, 10_000, 100_000, 2**28])
def test_every_client_is_in_one_stack_in_order(world: World, room: int) -> None:
    chunks = list(Stacked(job_of(world), chunk_bytes=room).chunks(np.array([4, 0, 3, 1])))
    assert np.concatenate(chunks).tolist() == [4, 0, 3, 1]


@pytest.mark.parametrize(("room", "sizes"), [(1, [1, 1, 1, 1]), (2**28, [4])])
def test_a_stack_holds_as_many_as_fit_and_at_least_one(world: World, room: int, sizes: list[int]) -> None:
    chunks = Stacked(job_of(world), chunk_bytes=room).chunks(np.array([4, 0, 3, 1]))
    assert [len(chunk) for chunk in chunks] == sizes


def _adapted(rank: int = 2) -> Job:
    return job_of(open_world(Lora(rank=rank)))


def test_a_stack_of_adapters_holds_the_base_once() -> None:
    """Room for what three clients train and keep of their largest step."""
    job = _adapted()
    inputs, sizes = job.clients.activations.few(job.model, 2), [len(client.train) for client in job.clients.members]
    kept = 1.5 * max(sizes) * bytes_kept(job.model, inputs, job.dtype)
    room = int(3 * (4 * job.num_bytes + kept))
    assert [len(some) for some in Stacked(job, chunk_bytes=room).chunks(np.arange(5))] == [3, 2]


@pytest.mark.parametrize(("free", "sizes"), [(None, 3), (2**40, 5000), (1, 3)])
def test_a_cards_free_memory_is_room_for_larger_stacks(
    world: World, monkeypatch: pytest.MonkeyPatch, free: int | None, sizes: int
) -> None:
    monkeypatch.setattr(stacks, "free_bytes", lambda _: free)
    job = replace(job_of(world), model=_Heavy(world.model))  # type: ignore[arg-type]
    assert max(len(chunk) for chunk in Stacked(job).chunks(np.zeros(5000, dtype=np.int64))) == sizes


class _Heavy:
    """A model that takes a good 64 MB a client while it trains."""

    is_head_only, num_trainable = True, 2**22

    def __init__(self, model: Model) -> None:
        self.network = model.network


def test_no_clients_no_stack(world: World) -> None:
    assert list(Stacked(job_of(world)).chunks(np.empty(0, dtype=np.int64))) == []


def _widths(world: World, job: Job, engine: Any) -> list[int]:
    return [len(result.positions) for result in results_of(engine, world, job) if isinstance(result, Chunk)]


def _large(*arguments: Any) -> tuple[Tree, Tree]:
    """Send 64 MB for each client."""
    updates, privates = count(*arguments)
    examples = updates["examples"]
    return {"sums": examples.double().unsqueeze(-1).expand(*examples.shape, 2**23)}, privates


@pytest.mark.parametrize("chunk_bytes", [1, 10_000, 2**28])
def test_blocks_that_are_summed_do_not_depend_on_the_room_for_stacks(world: World, chunk_bytes: int) -> None:
    job = replace(job_of(world), is_summed=True)
    assert _widths(world, job, Fleet(chunk_bytes=chunk_bytes)) == [len(job.clients.members)]


def test_large_results_are_summed_in_small_blocks(world: World) -> None:
    job = replace(job_of(world, _large), is_summed=True)
    assert _widths(world, job, Fleet()) == [1] * len(job.clients.members)


def test_the_size_of_results_is_found_though_the_first_client_fails(world: World) -> None:
    def work(*arguments: Any) -> tuple[Tree, Tree]:
        if arguments[-1].ids[0] == "c0":
            raise OSError("the disk is full")
        return _large(*arguments)

    job = replace(job_of(world, work), is_summed=True)
    results = results_of(Fleet(), world, job)
    assert [len(result.positions) for result in results if isinstance(result, Chunk)] == [1] * (len(results) - 1)


def _short(room: int, tried: list[int] | None = None) -> Any:
    """Do the work where memory holds so many clients at once."""

    def work(*arguments: Any) -> tuple[Tree, Tree]:
        if tried is not None:
            tried.append(len(arguments[-1].ids))
        if len(arguments[-1].ids) > room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return count(*arguments)

    return work


@pytest.mark.parametrize("is_summed", [False, True])
@pytest.mark.parametrize("room", [1, 2, 4])
def test_a_stack_that_finds_no_memory_is_halved(world: World, room: int, is_summed: bool) -> None:
    job, calm = (replace(job_of(world, work), is_summed=is_summed) for work in (_short(room), count))
    found, whole = (results_of(Fleet(), world, one) for one in (job, calm))
    assert not [one for one in found if isinstance(one, Failure)]
    assert max(len(one.positions) for one in found if isinstance(one, Chunk)) <= room
    assert [p for one in found for p in one.positions] == list(whole[0].positions)  # type: ignore[union-attr]
    (expected,) = [one.results[0]["examples"] for one in whole if isinstance(one, Chunk)]
    assert torch.equal(torch.cat([one.results[0]["examples"] for one in found if isinstance(one, Chunk)]), expected)


def test_a_stack_that_fits_is_remembered_for_the_stage(world: World) -> None:
    tried: list[int] = []
    job = job_of(world, _short(2, tried))
    stacked = Stacked(job)
    for _ in range(2):
        list(stacked.map(world.params, np.arange(6), (0, "test")))
    assert tried == [6, 3, 1, 1, 1, 1, 1, 1, *[1] * 6]


def test_a_bad_client_is_found_where_memory_is_short_too(world: World) -> None:
    def work(*arguments: Any) -> tuple[Tree, Tree]:
        if "c3" in arguments[-1].ids:
            raise ValueError("its data are bad")
        return _short(3)(*arguments)  # type: ignore[no-any-return]

    results = results_of(Fleet(), world, job_of(world, work))
    assert [one.reason for one in results if isinstance(one, Failure)] == ["ValueError: its data are bad"]
    assert sum(len(one.positions) for one in results if isinstance(one, Chunk)) == 5


def test_one_client_that_finds_no_memory_is_the_engines_fault(world: World) -> None:
    with pytest.raises(EngineError, match=r"memory ran out .* lower batch_size, train fewer blocks"):
        results_of(Fleet(), world, job_of(world, _short(0)))
