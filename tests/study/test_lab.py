from __future__ import annotations

import numpy as np
import pytest
import torch

from headstart.data.examples import Examples
from headstart.data.federation import Client
from headstart.study.lab import cast, global_test, split_pool


def pool(labels: list[int]) -> Examples:
    inputs = np.zeros((len(labels), 2), dtype=np.float32)
    ids = [str(i) for i in range(len(labels))]
    return Examples("table", inputs, np.array(labels), ids, ("cat", "dog", "owl"))


def client(name: str, *tests: int) -> Client:
    nothing = np.empty(0, dtype=np.int64)
    return Client(name, nothing, nothing, np.array(tests, dtype=np.int64))


def test_only_numbers_with_a_point_are_cast() -> None:
    tree = cast({"weight": torch.ones(2), "steps": torch.tensor(3)}, torch.float64)
    assert (tree["weight"].dtype, tree["steps"].dtype) == (torch.float64, torch.int64)


def test_a_pool_is_split_in_its_labelled_part_class_by_class() -> None:
    labels = [0] * 20 + [1] * 20 + [-1] * 10
    train, val = split_pool(pool(labels), 0)
    assert sorted([*train, *val]) == list(range(40))
    assert len(val) == 6
    assert np.bincount(np.array(labels)[val]).tolist() == [3, 3]
    assert split_pool(pool(labels), 0)[1].tolist() == val.tolist()
    assert split_pool(pool(labels), 1)[1].tolist() != val.tolist()


@pytest.mark.parametrize(
    ("labels", "sizes"),
    [([], (0, 0)), ([-1, -1], (0, 0)), ([0], (1, 0)), ([0, 1], (1, 1)), ([0] * 9 + [1], (9, 1))],
)
def test_a_small_pool_is_split_as_far_as_it_goes(labels: list[int], sizes: tuple[int, int]) -> None:
    train, val = split_pool(pool(labels), 0)
    assert (len(train), len(val)) == sizes


def test_the_global_test_is_everyones_once() -> None:
    clients = [client("a", 3, 1), client("b", 7), client("c")]
    assert global_test(clients, 10).tolist() == [1, 3, 7]
    assert global_test([], 10).tolist() == []


def test_a_large_global_test_is_drawn_once_and_for_all() -> None:
    clients = [client("a", *range(50)), client("b", *range(50, 100))]
    drawn = global_test(clients, 20)
    assert len(set(drawn.tolist())) == 20
    assert drawn.tolist() == sorted(drawn.tolist()) == global_test(clients[::-1], 20).tolist()
    assert global_test(clients, 0).tolist() == []
