"""What crosses the wire, all of it plain: JSON, arrays of numbers, and trees as safetensors."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors.torch import load, save

from headstart.core.arrays import Array
from headstart.core.damage import Damaged
from headstart.core.files import read_json, write_json
from headstart.core.ragged import Ragged
from headstart.core.task import Task
from headstart.core.trees import Tree, part
from headstart.data.examples import Examples
from headstart.data.federation import Client, Federation, Split
from headstart.data.settings import PixelSettings
from headstart.data.targets import Targets
from headstart.engine.heaviest import Heaviest
from headstart.engine.protocol import Adding
from headstart.engine.sums import Sum
from headstart.engine.ways.kept import NAME
from headstart.study.run.nodes import Node, NodeStore

_SPLITS: tuple[Split, ...] = ("train", "val", "test")


class Arrays(NamedTuple):
    """Words and numbers apart, so that workers on one machine may share the numbers.

    Attributes:
        words: JSON.
        arrays: in the order that the words want.
    """

    words: str
    arrays: tuple[Array, ...]


class Parcel(NamedTuple):
    """A finished node on its way.

    Attributes:
        key: its name.
        facts: JSON.
        tree: safetensors; None where it has none.
    """

    key: str
    facts: str
    tree: bytes | None


def packed_node(key: str, node: Node) -> Parcel:
    """Pack a node; its facts do not name the file that its tree lies in here."""
    facts = {name: value for name, value in node.facts.items() if name != "weights"}
    return Parcel(key, json.dumps(facts, allow_nan=False), None if node.tree is None else packed_tree(node.tree))


def keep(parcel: Parcel, store: NodeStore) -> None:
    """Unpack a node into a store that does not have it."""
    if not store.has(parcel.key):
        store.put(parcel.key, json.loads(parcel.facts), None if parcel.tree is None else unpacked_tree(parcel.tree))


def packed_sum(summed: Sum) -> tuple[str, bytes]:
    """Pack a block's sum."""
    privates = {f"{at}/{name}": value for at, (_, own) in enumerate(summed.privates) for name, value in own.items()}
    parts = {"total": summed.total, "heaviest": summed.heaviest.update, "privates": privates}
    tree = {f"{part}/{name}": value for part, own in parts.items() for name, value in own.items()}
    said = {
        "heaviest": summed.heaviest.as_json(),
        "upload": summed.upload,
        "excluded": summed.excluded,
        "positions": [positions.tolist() for positions, _ in summed.privates],
    }
    return json.dumps(said), packed_tree(tree)


def unpacked_sum(adding: Adding, words: str, content: bytes) -> Sum:
    """Return a block's sum.

    Args:
        adding: how its updates were added up.
        words: of a parcel.
        content: of the same.
    """
    said, tree = json.loads(words), unpacked_tree(content)
    privates = part(tree, "privates/")
    return Sum(
        adding,
        total=part(tree, "total/"),
        heaviest=Heaviest.of(said["heaviest"], part(tree, "heaviest/")),
        upload=said["upload"],
        excluded=[(position, reason) for position, reason in said["excluded"]],
        privates=[(np.array(own, int), part(privates, f"{at}/")) for at, own in enumerate(said["positions"])],
    )


def ways_in(folder: Path) -> dict[str, Any]:
    """Return the ways of a run's jobs; none where their file is damaged."""
    try:
        return read_json(folder / NAME, {}) or {}
    except Damaged:
        return {}


def keep_ways(ways: Mapping[str, Any], folder: Path) -> None:
    """Add ways to those of a run; a job whose way was chosen before keeps that."""
    known = ways_in(folder)
    if ways.keys() - known.keys():
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / NAME, {**ways, **known})


def packed_tree(tree: Tree) -> bytes:
    """Pack tensors."""
    # A copy of their own: safetensors refuses tensors that share memory.
    return save({name: value.detach().cpu().contiguous().clone() for name, value in tree.items()})


def unpacked_tree(content: bytes) -> Tree:
    """Return tensors."""
    # Copied: products of numbers that lie elsewhere in a cache line may round differently.
    return {name: value.clone() for name, value in load(content).items()}


def packed_federation(federation: Federation) -> Arrays:
    """Pack what work on examples needs: not what was read, and what became of it."""
    parts = [_packed(federation.examples), *([_packed(federation.central)] if federation.central else [])]
    clients = federation.clients
    members = {
        "ids": [client.id for client in clients],
        "seen": [client.seen for client in clients],
        "fixed_val": federation.fixed_val,
        "examples": [words for words, _ in parts],
    }
    rows = [_end_to_end(client.indices(split) for client in clients) for split in _SPLITS]
    arrays = [*(array for _, own in parts for array in own), *(array for pair in rows for array in pair)]
    return Arrays(json.dumps(members), tuple(arrays))


def unpacked_federation(parcel: Arrays) -> Federation:
    """Return the federation, its arrays where they lie."""
    members, arrays = json.loads(parcel.words), iter(parcel.arrays)
    parts = [_unpacked(words, arrays) for words in members["examples"]]
    rows = [list(Ragged(next(arrays), next(arrays))) for _ in _SPLITS]
    clients = [Client(*one) for one in zip(members["ids"], *rows, members["seen"], strict=True)]
    central = parts[1] if len(parts) > 1 else None
    return Federation(parts[0], clients, central, fixed_val=members["fixed_val"])


def _packed(examples: Examples) -> tuple[dict[str, Any], list[Array]]:
    inputs, targets = examples.inputs, examples.targets
    words = {
        "kind": examples.kind,
        "ids": list(examples.ids),
        "classes": examples.classes,
        "columns": examples.columns,
        "pixels": examples.pixels and asdict(examples.pixels),
        "task": targets and asdict(targets.task),
        "grouped": examples.groups is not None,
        "ragged": isinstance(inputs, Ragged),
    }
    numbers = [inputs.values, inputs.starts] if isinstance(inputs, Ragged) else [np.asarray(inputs)]
    more = [None if targets is None else targets.values, examples.groups]
    return words, [*numbers, examples.labels, *(array for array in more if array is not None)]


def _unpacked(words: dict[str, Any], arrays: Iterator[Array]) -> Examples:
    first = next(arrays)
    inputs = Ragged(first, next(arrays)) if words["ragged"] else first
    labels = next(arrays)
    targets = Targets(_task(words["task"]), next(arrays)) if words["task"] else None
    return Examples(
        words["kind"],
        inputs,
        labels,
        words["ids"],
        tuple(words["classes"]),
        tuple(words["columns"]),
        _pixels(words["pixels"]),
        next(arrays) if words["grouped"] else None,
        targets,
    )


def _task(said: dict[str, Any]) -> Task:
    lists = {name: tuple(said[name]) for name in ("outputs", "centers", "scales")}
    return Task(kind=said["kind"], **lists)


def _pixels(said: dict[str, Any] | None) -> PixelSettings | None:
    lists = {name: tuple(value) if isinstance(value, list) else value for name, value in (said or {}).items()}
    return PixelSettings(**lists) if said else None


def _end_to_end(rows: Iterable[Array]) -> Sequence[Array]:
    found = Ragged.of([np.zeros(0, np.int64), *rows])
    return found.values, found.starts[1:]
