"""Every method on every task for which it makes sense, on every engine alike."""

from typing import Any, get_args

import pytest
import torch

from headstart.adapt import METHODS as ADAPT
from headstart.core.registry import Entry
from headstart.core.task import TaskKind
from headstart.engine.ways.fleet import Fleet
from headstart.federate import METHODS as FEDERATE
from headstart.testing import open_world
from headstart.testing.adapt import check_engines_agree as check_adaptations_agree
from headstart.testing.federate import check_engines_agree

OTHERS = [kind for kind in get_args(TaskKind) if kind != "classification"]
FLEET = Fleet(way="stack")


def cases(methods: dict[str, Entry]) -> list[object]:
    """Return a method and a task, where they go together."""
    return [
        pytest.param(method, kind, id=f"{name}-{kind}")
        for name, entry in methods.items()
        for method in [entry.build({"trainable": "head"} if "trainable" in entry.settings() else {})]
        for kind in OTHERS
        if kind not in method.not_for
    ]


@pytest.mark.parametrize(("method", "kind"), cases(FEDERATE))
def test_federate(method: Any, kind: TaskKind) -> None:
    check_engines_agree(method, open_world(method.trainable, engine=FLEET, dtype=torch.float64, task=kind))


@pytest.mark.parametrize(("method", "kind"), cases(ADAPT))
def test_adapt(method: Any, kind: TaskKind) -> None:
    check_adaptations_agree(method, open_world(method.trainable, engine=FLEET, dtype=torch.float64, task=kind))


def test_methods_of_classes_say_why_not() -> None:
    refused = {name for name, entry in {**FEDERATE, **ADAPT}.items() if "regression" in entry.build({}).not_for}
    assert refused == {"ncm", "lda", "knn", "local_lda"}
    assert "one class per example" in FEDERATE["lda"].build({}).not_for["regression"]
