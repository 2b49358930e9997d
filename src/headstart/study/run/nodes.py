"""Finished work on disk: a node of the prefix tree is a small JSON file, its weights a safetensors file."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any

from headstart.core.content import hash_tree
from headstart.core.damage import Damaged
from headstart.core.device import CPU, placed
from headstart.core.disk import DiskError
from headstart.core.errors import ModelError
from headstart.core.files import check_readable, evict, link_or_copy, read_json, write_json
from headstart.core.sealed import Needs
from headstart.core.trees import Tree
from headstart.models import weights

LASTING = "predictions-"
"""How names of a leaf's trees begin: they are small, and stay where other trees that nothing needs go."""

_PATTERNS = {"nodes": "*.json", "weights": "*.safetensors"}

_ROUNDS = {"rounds": int, "traffic": dict, "excluded": list, "members": list}
_KINDS: Mapping[str | None, Needs] = {
    "start": {"seconds": (int, float)},
    "federate": {**_ROUNDS, "curve": list, "seconds": (int, float), "weights": str},
    "adapt": {"metrics": dict, "pooled": dict, "excluded": list, "accepted": (float, int, NoneType)},
    "pruned": {"values": list},
    None: _ROUNDS,
}
"""What facts of each kind that are older than their checksums must say; rounds over real sites are of no kind."""


@dataclass(frozen=True)
class Node:
    """What one node left: facts that JSON can say, and a tree of tensors if it has any."""

    facts: Mapping[str, Any]
    tree: Tree | None = None


def _unheard(_: Damaged) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class NodeStore:
    """The folders ``nodes`` and ``weights`` of a run folder; every file in them is written at once or not at all.

    What is read is compared with its checksum, or with the content that its name states.

    Attributes:
        folder: of both.
        told: hears of what is damaged, before it goes and the node counts as never made; it may raise instead.
    """

    folder: Path
    told: Callable[[Damaged], None] = _unheard

    def get(self, key: str) -> Node | None:
        """Return a finished node, or None if it, or its weights, are not there or damaged."""
        try:
            facts = self._read(key)
            name = facts and facts["weights"]
            tree = self._tree(name) if name else None
        except Damaged as error:
            self.told(error)
            error.set_aside()
            return None
        return Node(facts, tree) if facts and (tree is not None or not name) else None

    def facts(self, key: str) -> dict[str, Any]:
        """Return the facts of a finished node.

        Raises:
            Damaged: they are not there, or not what was written.
        """
        if (found := self._read(key)) is None:
            raise Damaged(self._facts(key), "it is missing")
        return found

    def has(self, key: str) -> bool:
        """Say whether a node is finished, without reading its weights."""
        facts = self._whole_facts(key)
        return facts is not None and (facts["weights"] is None or self.weights_file(facts["weights"]).is_file())

    def has_tree(self, key: str) -> bool:
        """Say whether a node is finished and left a tree, without reading it."""
        facts = self._whole_facts(key)
        return self.has(key) and facts is not None and facts["weights"] is not None

    def put(self, key: str, facts: Mapping[str, Any], tree: Tree | None = None) -> Node:
        """Keep a finished node: weights first, so that a node without its weights is never seen.

        What a node holds is on the processor, wherever it was computed.
        """
        name, tree = None, None if tree is None else placed(tree, CPU)
        if tree is not None:
            name = (LASTING if facts.get("kind") == "adapt" else "") + hash_tree(tree)
            if not self._keeps(name):
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
        if name is not None and not self._keeps(name):
            self.weights_file(name).unlink(missing_ok=True)
            try:
                link_or_copy(other.weights_file(name), self.weights_file(name))
            except DiskError:
                if other.weights_file(name).is_file():
                    raise
                # Another process has just made room in a cache.
                weights.save(self.weights_file(name), node.tree or {}, {"node": key})
        write_json(self._facts(key), node.facts)

    def weights_file(self, name: str) -> Path:
        """Return the file of the tree that a node's facts name."""
        return self.folder / "weights" / f"{name}.safetensors"

    def damaged(self) -> Iterator[Damaged]:
        """Read every file, and yield what is wrong with each that is damaged; changes nothing."""
        for folder, read in (("nodes", self._read), ("weights", self._tree)):
            path = self.folder / folder
            if path.exists() and not path.is_dir():
                yield Damaged(path, "it is no folder")
            elif path.is_dir():
                yield from filter(None, (_damage(read, file) for file in sorted(path.glob(_PATTERNS[folder]))))

    def names(self, key: str, damaged: Collection[Path]) -> bool:
        """Say whether a node is one of some files, or left its tree in one."""
        facts = self._whole_facts(key)
        tree = facts and facts["weights"] and self.weights_file(facts["weights"])
        return self._facts(key) in damaged or tree in damaged

    def lost(self, key: str) -> Damaged | None:
        """Say what is missing of a node that was finished; None where nothing is, or it is damaged."""
        facts, path = self._whole_facts(key), self._facts(key)
        if facts and facts["weights"]:
            path = self.weights_file(facts["weights"])
        return None if path.exists() else Damaged(path, "it is missing")

    def prune(self, wanted: set[str]) -> None:
        """Delete weights that no node in ``wanted`` refers to: those of tuning trials not chosen; no predictions."""
        used = {facts["weights"] for key in wanted if (facts := self._whole_facts(key))}
        for file in (self.folder / "weights").glob(_PATTERNS["weights"]):
            if file.stem not in used and not file.stem.startswith(LASTING) and not file.is_dir():
                file.unlink(missing_ok=True)

    def evict(self) -> None:
        """Delete the weights unused for longest when they take too much of the disk."""
        evict(self.folder / "weights", _PATTERNS["weights"])

    def _read(self, key: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = read_json(self._facts(key), _needs)
        return found

    def _whole_facts(self, key: str) -> dict[str, Any] | None:
        """Return the facts of a finished node; None where they are not there or damaged."""
        try:
            return self._read(key)
        except Damaged:
            return None

    def _tree(self, name: str) -> Tree | None:
        """Return the tree of this name and content; None if it is not there."""
        path = self.weights_file(name)
        if not path.exists():
            return None
        if path.is_dir():
            raise Damaged(path, "it is a folder")
        check_readable(path)
        try:
            tree = weights.load(path)[0]
            right = hash_tree(tree) == name.removeprefix(LASTING)
        except (ModelError, OSError, TypeError, ValueError) as error:
            raise Damaged(path, "it is no whole safetensors file") from error
        if not right:
            raise Damaged(path, "it holds other numbers than its name says")
        return tree

    def _keeps(self, name: str) -> bool:
        """Say whether a tree is there and whole; what is damaged in its place goes."""
        try:
            return self._tree(name) is not None
        except Damaged as error:
            error.set_aside()
            return False

    def _facts(self, key: str) -> Path:
        return self.folder / "nodes" / f"{key}.json"


def _damage(read: Callable[[str], object], file: Path) -> Damaged | None:
    """Return what is wrong with a file."""
    try:
        read(file.stem)
    except Damaged as error:
        return error
    return None


def _needs(facts: Mapping[str, Any]) -> Needs:
    """Return what facts without a checksum must say."""
    kind = facts.get("kind")
    known = isinstance(kind, str | None) and kind in _KINDS
    return {"weights": (str, NoneType), **_KINDS[kind]} if known else {"kind": _Known}


class _Known:
    """The type of no value: a kind that no node has is always wrong."""
