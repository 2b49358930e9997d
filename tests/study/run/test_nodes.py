from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from headstart.core.content import hash_tree
from headstart.study.run.nodes import NodeStore

TREE = {"head.weight": torch.arange(6.0).reshape(2, 3), "head.bias": torch.ones(2)}


@pytest.fixture
def store(tmp_path: Path) -> NodeStore:
    return NodeStore(tmp_path)


def test_what_is_put_is_found(store: NodeStore) -> None:
    store.put("a", {"kind": "start", "seconds": 1.5}, TREE)
    found = store.get("a")
    assert found is not None
    assert found.tree is not None
    assert found.facts == {"kind": "start", "seconds": 1.5, "weights": hash_tree(TREE)}
    assert all(torch.equal(found.tree[name], TREE[name]) for name in TREE)
    assert store.has("a")
    assert store.facts("a") == found.facts


def test_a_node_without_weights(store: NodeStore) -> None:
    store.put("leaf", {"kind": "adapt"})
    assert store.has("leaf")
    found = store.get("leaf")
    assert found is not None
    assert found.tree is None


def test_what_was_never_put_is_not_there(store: NodeStore) -> None:
    assert store.get("a") is None
    assert not store.has("a")


def test_equal_weights_are_kept_once(store: NodeStore) -> None:
    for key in ("a", "b"):
        store.put(key, {"kind": "start"}, TREE)
    assert len(list((store.folder / "weights").iterdir())) == 1


def test_a_node_whose_weights_are_gone_is_not_finished(store: NodeStore) -> None:
    store.put("a", {"kind": "start"}, TREE)
    store.weights_file(hash_tree(TREE)).unlink()
    assert not store.has("a")
    assert store.get("a") is None


def test_weights_are_written_before_the_node(store: NodeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, value: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("headstart.study.run.nodes.write_json", fail)
    with pytest.raises(KeyboardInterrupt):
        store.put("a", {"kind": "start"}, TREE)
    assert not store.has("a")
    assert store.weights_file(hash_tree(TREE)).exists()


def test_prune_deletes_weights_that_no_wanted_node_names(store: NodeStore) -> None:
    other = {"head.bias": torch.zeros(2)}
    store.put("a", {"kind": "start"}, TREE)
    store.put("b", {"kind": "federate"}, other)
    store.put("c", {"kind": "adapt"})
    store.prune({"a", "c", "never-run"})
    assert store.has("a")
    assert store.has("c")
    assert not store.has("b")
    assert json.loads((store.folder / "nodes" / "b.json").read_text())["kind"] == "federate"


def test_a_copy_is_the_same_file_and_outlives_the_first(store: NodeStore, tmp_path: Path) -> None:
    other = NodeStore(tmp_path / "cache")
    made = other.put("a", {"kind": "start"}, TREE)
    assert store.copy("b", other) is None
    assert store.copy("a", other) is not None
    name = made.facts["weights"]
    assert store.weights_file(name).samefile(other.weights_file(name))
    other.weights_file(name).unlink()
    found = store.get("a")
    assert found is not None
    assert found.tree is not None
    assert torch.equal(found.tree["head.weight"], TREE["head.weight"])
    assert found.facts == made.facts


def test_a_node_whose_file_was_just_evicted_is_shared_all_the_same(store: NodeStore, tmp_path: Path) -> None:
    other = NodeStore(tmp_path / "cache")
    made = other.put("a", {"kind": "start"}, TREE)
    other.weights_file(made.facts["weights"]).unlink()
    store.share(made, other, "a")
    assert store.has("a")
