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


ON_TASKS = ("as given", "adam", "class-weighted loss", "single examples hidden")
"""Variants in which a task's loss has a part; all are tried where there are classes."""
CUTS = dict.fromkeys(("fedper", "fedrep", "fedbabu"), "all")
"""Of methods that share nothing of a head."""


def cases(methods: dict[str, Entry]) -> list[object]:
    """Return a method and a task, where they go together."""
    return [
        pytest.param(method, kind, id=f"{name}-{kind}")
        for name, entry in methods.items()
        for method in [entry.build({"trainable": CUTS.get(name, "head")} if "trainable" in entry.settings() else {})]
        for kind in OTHERS
        if kind not in method.not_for and name != "fedbn"  # needs norms, which the small network lacks
    ]


@pytest.mark.parametrize(("method", "kind"), cases(FEDERATE))
def test_federate(method: Any, kind: TaskKind) -> None:
    world = open_world(method.trainable, engine=FLEET, dtype=torch.float64, task=kind)
    check_engines_agree(method, world, ON_TASKS)


@pytest.mark.parametrize(("method", "kind"), cases(ADAPT))
def test_adapt(method: Any, kind: TaskKind) -> None:
    norms = method.needs_norms
    world = open_world(method.trainable, engine=FLEET, dtype=torch.float64, task=kind, norms=norms)
    check_adaptations_agree(method, world, ON_TASKS)


def test_methods_of_classes_say_why_not() -> None:
    refused = {name for name, entry in {**FEDERATE, **ADAPT}.items() if "regression" in entry.build({}).not_for}
    assert refused == {"ncm", "lda", "fedcof", "fedpft", "knn", "local_lda", "tent"}
    assert "one class per example" in FEDERATE["lda"].build({}).not_for["regression"]
