"""Finished work on disk: a node of the prefix tree is a small JSON file, its weights a safetensors file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.core.content import hash_tree
from headstart.core.files import evict, link_or_copy, write_json
from headstart.core.trees import Tree
from headstart.models import weights

LASTING = "predictions-"
"""How names of a leaf's trees begin: they are small and stay, and without them its facts still count."""


@dataclass(frozen=True)
class Node:
    """What one node left: facts that JSON can say, and a tree of tensors if it has any."""

    facts: Mapping[str, Any]
    tree: Tree | None = None


@dataclass(frozen=True)
class NodeStore:
    """The folders ``nodes`` and ``weights`` of a run folder; every file in them is written at once or not at all."""

    folder: Path

    def get(self, key: str) -> Node | None:
        """Return a finished node, or None if it, or its weights, are not there."""
        path = self._facts(key)
        if not path.exists():
            return None
        facts = json.loads(path.read_text())
        name = facts.get("weights")
        if name is not None and (file := self.weights_file(name)).exists():
            return Node(facts, weights.load(file)[0])
        return Node(facts) if _says_enough(name) else None

    def facts(self, key: str) -> dict[str, Any]:
        """Return the facts of a finished node."""
        facts: dict[str, Any] = json.loads(self._facts(key).read_text())
        return facts

    def has(self, key: str) -> bool:
        """Say whether a node is finished, without reading its weights."""
        path = self._facts(key)
        if not path.exists():
            return False
        name = json.loads(path.read_text()).get("weights")
        return _says_enough(name) or self.weights_file(name).exists()

    def has_tree(self, key: str) -> bool:
        """Say whether a node is finished and left a tree, without reading it."""
        path = self._facts(key)
        name = json.loads(path.read_text()).get("weights") if path.exists() else None
        return name is not None and self.weights_file(name).exists()

    def put(self, key: str, facts: Mapping[str, Any], tree: Tree | None = None) -> Node:
        """Keep a finished node: weights first, so that a node without its weights is never seen."""
        name = None
        if tree is not None:
            name = (LASTING if facts.get("kind") == "adapt" else "") + hash_tree(tree)
            if not self.weights_file(name).exists():
                weights.save(self.weights_file(name), tree, {"node": key})
        node = Node({**facts, "weights": name}, tree)
        write_json(self._facts(key), node.facts)
        return node

    def copy(self, key: str, other: NodeStore | None) -> Node | None:
        """Keep another store's node here too, if it has it."""
        found = other.get(key) if other else None
        if other and found:
            self.share(found, other, key)
        return found

    def share(self, node: Node, other: NodeStore, key: str) -> None:
        """Keep a node that another store has, its weights as the same file where the disk can do that."""
        name = node.facts.get("weights")
        if name is not None and not self.weights_file(name).exists():
            try:
                link_or_copy(other.weights_file(name), self.weights_file(name))
            except FileNotFoundError:
                # Another process has just made room in a cache.
                weights.save(self.weights_file(name), node.tree or {}, {"node": key})
        write_json(self._facts(key), node.facts)

    def weights_file(self, name: str) -> Path:
        """Return the file of the tree that a node's facts name."""
        return self.folder / "weights" / f"{name}.safetensors"

    def prune(self, wanted: set[str]) -> None:
        """Delete weights that no node in ``wanted`` refers to: those of tuning trials not chosen; no predictions."""
        used = {json.loads(self._facts(key).read_text()).get("weights") for key in wanted if self._facts(key).exists()}
        for file in self._weights_files():
            if file.stem not in used and not file.stem.startswith(LASTING):
                file.unlink(missing_ok=True)

    def evict(self) -> None:
        """Delete the weights unused for longest when they take too much of the disk."""
        evict(self.folder / "weights", "*.safetensors")

    def _weights_files(self) -> Iterator[Path]:
        yield from (self.folder / "weights").glob("*.safetensors")

    def _facts(self, key: str) -> Path:
        return self.folder / "nodes" / f"{key}.json"


def _says_enough(name: str | None) -> bool:
    """Say whether the facts count without their tree."""
    return name is None or name.startswith(LASTING)
