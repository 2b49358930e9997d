from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from headstart.core.trees import Tree
from headstart.engine.ways.fleet import Fleet
from headstart.study.run.nodes import Node, NodeStore
from study.watch import Watch
from tiny_study import run_tiny


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Watch the node store and the engine."""
    watch, put, work = Watch(), NodeStore.put, Fleet.crew

    def watched_put(store: NodeStore, key: str, facts: Mapping[str, Any], tree: Tree | None = None) -> Node:
        watch.nodes[facts["kind"]] += 1
        return put(store, key, facts, tree)

    def watched_work(*arguments: Any) -> Any:
        watch.client_work += 1
        return work(*arguments)

    monkeypatch.setattr(NodeStore, "put", watched_put)
    monkeypatch.setattr(Fleet, "crew", watched_work)
    return watch


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of the tiny study with a held-out client; to be read, not written."""
    folder = tmp_path_factory.mktemp("finished")
    run_tiny(folder, data="held_out_clients = 0.25")
    return folder / "out"
