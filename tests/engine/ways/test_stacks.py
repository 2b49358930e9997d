"""How clients are split into stacks that fit."""

import numpy as np
import pytest

from engine.ways.jobs import job_of
from headstart.engine.ways.stacks import Stacked
from headstart.testing import World


@pytest.mark.parametrize("room", [1, 10_000, 100_000, 2**28])
def test_every_client_is_in_one_stack_in_order(world: World, room: int) -> None:
    chunks = list(Stacked(job_of(world), chunk_bytes=room).chunks(np.array([4, 0, 3, 1])))
    assert np.concatenate(chunks).tolist() == [4, 0, 3, 1]


@pytest.mark.parametrize(("room", "sizes"), [(1, [1, 1, 1, 1]), (2**28, [4])])
def test_a_stack_holds_as_many_as_fit_and_at_least_one(world: World, room: int, sizes: list[int]) -> None:
    chunks = Stacked(job_of(world), chunk_bytes=room).chunks(np.array([4, 0, 3, 1]))
    assert [len(chunk) for chunk in chunks] == sizes


def test_no_clients_no_stack(world: World) -> None:
    assert list(Stacked(job_of(world)).chunks(np.empty(0, dtype=np.int64))) == []
