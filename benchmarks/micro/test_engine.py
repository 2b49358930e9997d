"""What an engine does around the steps: order, gather, add up, extract."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import networks
from headstart.core import trees
from headstart.data.examples import Examples
from headstart.engine.features.activations import Activations
from headstart.engine.order import keyed_order
from headstart.engine.rows import gather
from headstart.models.model import cut_at
from headstart.training.client_data import Passes

CLIENTS, EXAMPLES = 200, 20


def test_keyed_order(benchmark: Any) -> None:
    ids = [f"{client:04}" for client in range(CLIENTS)]
    labels = list(np.zeros((CLIENTS, EXAMPLES), dtype=np.int64))
    found = benchmark(keyed_order, ids, labels, Passes(batch_size=10), (0, "round", 3))
    assert found.shape == (CLIENTS, 2, 10)


def test_gather_of_scattered_rows(benchmark: Any) -> None:
    values = torch.randn(40_000, 64)
    rows = torch.randperm(len(values))[: CLIENTS * EXAMPLES].view(CLIENTS, EXAMPLES)
    found = benchmark(gather, values, rows)
    assert found.shape == (CLIENTS, EXAMPLES, 64)


def test_gather_of_rows_in_a_row(benchmark: Any) -> None:
    rows = torch.arange(CLIENTS * EXAMPLES).view(CLIENTS, EXAMPLES)
    benchmark(gather, torch.randn(40_000, 64), rows)


@pytest.mark.parametrize("weights", [650, 20_490])
def test_weighted_sum(benchmark: Any, weights: int) -> None:
    updates = {"all": torch.randn(CLIENTS, weights)}
    found = benchmark(trees.weighted_sum, updates, torch.full((CLIENTS,), 20.0, dtype=torch.float64))
    assert found["all"].shape == (weights,)


def test_features_of_resnet18(benchmark: Any) -> None:
    network = networks.resnet18(2, running=True)
    model, _ = cut_at(network, networks.weights_of(network), "head")
    images = np.random.default_rng(0).standard_normal((256, 3, 64, 64), dtype=np.float32)
    labels = np.zeros(len(images), dtype=np.int64)
    examples = Examples("table", images, labels, [str(row) for row in range(len(images))], ("a", "b"))
    found = benchmark.pedantic(lambda: Activations(examples).at(model), rounds=3)
    assert found.shape == (256, 512)
