"""Steps of training: heads as a stack, the small CNN, ResNet-18."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import networks
from adapted import adapted_clients
from headstart.core import trees
from headstart.core.trees import Params
from headstart.engine.rounds import run_rounds
from headstart.engine.ways.fleet import Fleet
from headstart.engine.ways.serial import Serial
from headstart.models.batch import Batch
from headstart.models.heads import head_gradient
from headstart.models.model import Model, cut_at
from headstart.models.network import Network
from headstart.training.optimizers import sgd
from sources import Seeded
from tasks import activations_of, prepare
from works import WORKS

CLIENTS, BATCH, FEATURES, CLASSES = 200, 10, 64, 10


def batch(*shape: int, classes: int = CLASSES) -> Batch:
    """Return random examples; the first axes of ``shape`` are those of the labels."""
    inputs = torch.randn(*shape)
    leading = shape[:-1] if len(shape) < 4 else shape[:1]
    return Batch(inputs, torch.randint(classes, leading), torch.ones(leading), full=True)


def whole(network: Network) -> tuple[Model, Params]:
    """Cut a network such that everything trains."""
    return cut_at(network, networks.weights_of(network), "all")


@pytest.fixture
def heads() -> dict[str, Tensor]:
    """Return a stack of heads."""
    return {"head.weight": torch.randn(CLIENTS, CLASSES, FEATURES), "head.bias": torch.zeros(CLIENTS, CLASSES)}


def test_head_gradient_of_a_stack(benchmark: Any, heads: dict[str, Tensor]) -> None:
    found = benchmark(head_gradient, heads, batch(CLIENTS, BATCH, FEATURES))
    assert found["head.weight"].shape == heads["head.weight"].shape


def test_step_of_an_optimizer(benchmark: Any, heads: dict[str, Tensor]) -> None:
    optimizer = sgd(0.1)
    benchmark(optimizer.step, trees.map_tree(torch.randn_like, heads), optimizer.init(heads), heads)


@pytest.mark.parametrize("way", ["one_by_one", "together"])
def test_gradient_of_adapters(benchmark: Any, way: str) -> None:
    clients = adapted_clients(clients=4, texts=8, tokens=32, width=128, layers=2)
    assert benchmark(getattr(clients, way))


def test_gradient_of_the_small_cnn(benchmark: Any) -> None:
    model, params = whole(networks.small_cnn((1, 28, 28), CLASSES))
    found = benchmark(model.gradient, params, batch(BATCH, 1, 28, 28))
    assert found.keys() == params.keys()


def test_gradient_of_resnet18(benchmark: Any) -> None:
    model, params = whole(networks.resnet18(2, running=False))
    found = benchmark(model.gradient, params, batch(20, 3, 64, 64, classes=2))
    assert found.keys() == params.keys()


@pytest.mark.parametrize("engine", [Serial(), Fleet()], ids=["serial", "fleet"])
@pytest.mark.parametrize("name", ["w4", "w3bc"])
def test_all_rounds_of_heads(benchmark: Any, name: str, engine: Any) -> None:
    work, data = WORKS[name], Seeded().load(WORKS[name])
    task, activations = prepare(work, data), activations_of(data)

    def rounds() -> Any:
        arguments = (task.method, task.model, task.params, task.clients, activations)
        return run_rounds(*arguments, engine=engine, seed=0)

    found = benchmark.pedantic(rounds, rounds=3)
    assert np.isfinite(found.shared["head.weight"].numpy()).all()
