"""Random features: the kernel they approximate, and every head on them."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from headstart.core.errors import ModelError
from headstart.data.examples import Examples
from headstart.data.federation import Client
from headstart.engine.features.activations import Activations
from headstart.engine.rounds import run_rounds
from headstart.engine.ways.serial import Serial
from headstart.federate import METHODS
from headstart.models.batch import Batch
from headstart.models.model import cut_at
from headstart.models.registry import build, new_head
from headstart.models.spec import ModelSpec

BARE = ModelSpec(backbone="linear", random_features=4000)


def built(spec: ModelSpec, shape: tuple[int, ...], seed: int = 0) -> tuple[Any, Mapping[str, Tensor]]:
    return build(spec, shape=shape, num_classes=3, from_scratch=True, seed=seed)


def features(spec: ModelSpec, inputs: Tensor) -> Tensor:
    network, weights = built(spec, tuple(inputs.shape[1:]))
    return cut_at(network, dict(weights), "head")[0].activations(inputs)


@pytest.mark.parametrize("bandwidth", [0.5, 1.0, 2.0])
def test_inner_products_are_those_of_a_gaussian_kernel(bandwidth: float) -> None:
    inputs = torch.randn(20, 6, generator=torch.Generator().manual_seed(0))
    found = features(replace(BARE, random_features=20_000, random_bandwidth=bandwidth), inputs)
    scaled = inputs / math.sqrt(6)
    kernel = 6 * torch.exp(-torch.cdist(scaled, scaled).square() / (2 * bandwidth**2))
    torch.testing.assert_close(found @ found.T, kernel, rtol=0, atol=0.2)


def test_features_of_a_network_are_brought_to_length_one() -> None:
    spec = ModelSpec(backbone="mlp", hidden=(8,), random_features=50)
    inputs = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    network, weights = built(spec, (6,))
    plain = torch.relu(inputs @ weights["blocks.0.0.weight"].T + weights["blocks.0.0.bias"])
    directions, phases = weights["blocks.1.frequencies"], weights["blocks.1.phases"]
    length = plain.norm(dim=1, keepdim=True)
    by_hand = length * math.sqrt(2 / 50) * torch.cos(plain / length @ directions + phases)
    model, _ = cut_at(network, dict(weights), "head")
    torch.testing.assert_close(model.activations(inputs), by_hand, rtol=0, atol=1e-5)
    assert model.activations(0 * inputs).isfinite().all()
    many = cut_at(*built(replace(spec, random_features=20_000), (6,)), "head")[0].activations(inputs)
    torch.testing.assert_close(many.norm(dim=1), plain.norm(dim=1), rtol=0.05, atol=0)


def test_directions_are_the_same_for_all_seeds() -> None:
    first, second = (built(BARE, (6,), seed)[1] for seed in (0, 1))
    assert torch.equal(first["blocks.1.frequencies"], second["blocks.1.frequencies"])
    assert not torch.equal(first["head.weight"], second["head.weight"])


def test_a_new_head_reads_them_too() -> None:
    network, weights = new_head(*built(BARE, (6,)), 5, seed=0)  # type: ignore[arg-type]
    assert weights["head.weight"].shape == (5, 4000)
    assert network.name == "linear, 4000 random features of bandwidth 1"


def test_the_map_is_no_block_to_train() -> None:
    network, weights = built(ModelSpec(backbone="mlp", hidden=(8, 4), random_features=50), (6,))
    _, last = cut_at(network, dict(weights), 1)
    assert sorted(last) == ["blocks.1.0.bias", "blocks.1.0.weight", "head.bias", "head.weight"]
    _, everything = cut_at(network, dict(weights), "all")
    assert "blocks.0.0.weight" in everything
    assert not any("frequencies" in name for name in everything)
    with pytest.raises(ModelError, match="has 2 blocks, received 3"):
        cut_at(network, dict(weights), 3)


def test_a_head_on_them_tells_what_no_linear_head_can() -> None:
    """Rings about the origin: a class inside, one outside."""
    rng = np.random.default_rng(0)
    inputs = torch.from_numpy(rng.normal(size=(400, 2)).astype(np.float32))
    labels = (inputs.norm(dim=1) > 1.2).long()

    def accuracy(spec: ModelSpec) -> float:

        network, weights = build(spec, shape=(2,), num_classes=2, from_scratch=True, seed=0)
        model, params = cut_at(network, weights, "head")
        examples = Examples("table", inputs.numpy(), labels.numpy(), [str(i) for i in range(400)], ("in", "out"))
        nothing = np.empty(0, dtype=np.int64)
        clients = [Client(f"c{i}", np.arange(i, 200, 4), nothing, nothing) for i in range(4)]
        head = run_rounds(
            METHODS["ridge"].build({}), model, params, clients, Activations(examples), engine=Serial(), seed=0
        ).shared
        scores = model.logits(head, model.activations(inputs[200:]))
        return float((scores.argmax(1) == labels[200:]).double().mean())

    assert accuracy(ModelSpec(backbone="linear")) < 0.7
    assert accuracy(ModelSpec(backbone="linear", random_features=300)) > 0.85


def test_gradients_flow_through_the_map() -> None:
    network, weights = built(ModelSpec(backbone="mlp", hidden=(8,), random_features=50), (6,))
    model, params = cut_at(network, dict(weights), "all")
    inputs = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    slope = model.gradient(params, Batch(inputs, torch.arange(5) % 3, torch.ones(5)))
    assert float(slope["blocks.0.0.weight"].abs().max()) > 0
