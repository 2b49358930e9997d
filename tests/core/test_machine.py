from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

import pytest
import torch

from headstart.core.machine import can_fork, num_cores, suitable_threads, threads


def test_cores_are_those_that_this_process_may_use() -> None:
    assert 1 <= num_cores() <= (os.cpu_count() or 1)


def test_a_system_that_forks_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Linux")
    assert can_fork() == hasattr(os, "fork")
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    assert not can_fork()


@pytest.fixture
def three_threads() -> Iterator[int]:
    with threads(3):
        yield 3


def test_threads_are_given_back_even_after_an_error(three_threads: int) -> None:
    inside = []
    with suppress(ZeroDivisionError), threads(1):
        inside.append(torch.get_num_threads())
        raise ZeroDivisionError
    assert inside == [1]
    assert torch.get_num_threads() == three_threads


@pytest.mark.parametrize(("weights", "count"), [(0, 1), (999_999, 1), (1_000_000, 3)])
def test_a_small_network_has_one_thread(three_threads: int, weights: int, count: int) -> None:
    assert suitable_threads(weights) == count
