"""Private trees between rounds."""

import numpy as np
import torch

from headstart.data.federation import Client
from headstart.engine.privates import ByClient, PrivateStore


def test_private_trees_are_seen_by_who_looks_between_rounds() -> None:
    """The mapping of a stage grows with the clients who take part, although it was looked at when empty."""
    store = PrivateStore({"head": torch.zeros(2)}, 3)
    clients = [Client(f"c{i}", *[np.empty(0, dtype=np.int64)] * 3) for i in range(3)]
    privates = ByClient(store, clients)
    assert dict(privates) == {}
    store.put(np.array([2]), {"head": torch.ones(1, 2)})
    assert list(privates) == ["c2"]
    assert privates["c2"]["head"].tolist() == [1, 1]
    assert store.some(np.array([0, 2]))["head"].tolist() == [[0, 0], [1, 1]]


def test_memory_of_one_position_is_another_clients_newcomer() -> None:
    store = PrivateStore({"head": torch.tensor([1.0, 2.0])}, 2)
    store.put(np.array([1]), {"head": torch.zeros(1, 2)})
    assert store.one(0)["head"].tolist() == [1, 2]
    assert store.one(1)["head"].tolist() == [0, 0]
    assert store.members.tolist() == [1]


def test_a_method_without_private_trees_keeps_nothing() -> None:
    store = PrivateStore({}, 3)
    store.put(np.array([0, 2]), {})
    assert store.some(np.array([0, 1])) == {}
    assert store.members.tolist() == []
