from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from headstart.core.ragged import Ragged
from headstart.core.task import Task
from headstart.data.examples import Examples
from headstart.data.federation import Federation
from headstart.data.settings import PixelSettings
from headstart.data.targets import Targets
from headstart.study.run.nodes import Node, NodeStore
from headstart.study.spread.cluster.parcels import keep, packed_federation, packed_node, unpacked_federation
from study import made


def _texts() -> Federation:
    federation = made.table()
    words = Ragged.of([np.arange(row % 3 + 1, dtype=np.int32) for row in range(len(federation.examples))])
    return replace(federation, examples=replace(federation.examples, kind="text", inputs=words))


def _with(federation: Federation, **changes: Any) -> Federation:
    return replace(federation, examples=replace(federation.examples, **changes))


def _risks() -> Federation:
    federation = made.table()
    task = Task(kind="regression", outputs=("score",), centers=(1.0,), scales=(2.0,))
    values = np.linspace(0, 1, len(federation.examples))[:, None]
    return _with(federation, targets=Targets(task, values), groups=np.arange(len(federation.examples)) // 2)


@pytest.mark.parametrize(
    "federation",
    [
        made.table(),
        made.images(pool=12),
        _with(made.images(), pixels=PixelSettings(range=(0, 255), background=(0, 1, 2))),
        _texts(),
        _risks(),
        replace(made.table(), fixed_val=True),
    ],
)
def test_a_federation_arrives_as_it_was(federation: Federation) -> None:
    found = unpacked_federation(packed_federation(federation))
    assert found.key == federation.key
    assert found.task == federation.task
    assert found.fixed_val == federation.fixed_val
    assert [client.id for client in found.clients] == [client.id for client in federation.clients]
    assert _plain(found.examples) == _plain(federation.examples)


def _plain(examples: Examples) -> Any:
    return (examples.kind, [*examples.ids], examples.classes, examples.columns, examples.pixels)


def test_a_client_without_examples_of_a_split_arrives_without_them() -> None:
    federation = made.table(clients=2)
    nothing = np.zeros(0, np.int64)
    bare = replace(federation, clients=[replace(client, val=nothing) for client in federation.clients])
    assert [len(client.val) for client in unpacked_federation(packed_federation(bare)).clients] == [0, 0]


@pytest.mark.parametrize("tree", [None, {}, {"a": torch.arange(6.0).reshape(2, 3).T, "b": torch.tensor(True)}])
def test_a_node_arrives_as_it_was(tmp_path: Path, tree: Any) -> None:
    here, there = NodeStore(tmp_path / "here"), NodeStore(tmp_path / "there")
    sent = here.put("key", {"kind": "start", "seconds": 1.0}, tree)
    keep(packed_node("key", sent), there)
    found = there.get("key")
    assert isinstance(found, Node)
    assert found.facts == sent.facts
    assert (found.tree is None) == (tree is None)
    assert all(torch.equal(found.tree[name], value) for name, value in (tree or {}).items())  # type: ignore[index]
