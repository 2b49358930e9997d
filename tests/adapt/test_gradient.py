"""Probing and fine-tuning against plain PyTorch, and what must not move."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from headstart.adapt import Everything, Finetune, Keep, LastBlocks, LpFt
from headstart.core.trees import Params
from headstart.data.federation import Client
from headstart.engine.clients import OneClient
from headstart.engine.features.activations import Activations
from headstart.engine.order import PADDING, keyed_order
from headstart.models.model import cut_at
from headstart.models.network import Network
from headstart.testing import World, open_world, small_federation
from headstart.testing.adapt import adapted
from headstart.testing.compare import assert_same
from headstart.training.client_data import Balance, Passes
from headstart.training.local import LocalTraining

LOCAL = LocalTraining(batch_size=4, client_lr=0.05, momentum=0.9, weight_decay=0.01)
CLIENT = "c3"


def rows_of(world: World, client: Client, epochs: int, stream: str, **settings: Any) -> Iterator[torch.Tensor]:
    """The engine's own batches of one client."""
    labels = world.federation.examples.labels[client.train]
    passes = Passes(batch_size=4, epochs=epochs, stream=stream, **settings)
    for row in keyed_order([client.id], [labels], passes, (0, "adapt"))[0]:
        yield torch.from_numpy(client.train[row[row != PADDING]])


def train(world: World, module: nn.Module, inputs: torch.Tensor, batches: Iterator[torch.Tensor], lr: float) -> None:
    """Train a plain module in a plain loop."""
    labels = torch.from_numpy(world.federation.examples.labels)
    optimizer = torch.optim.SGD(module.parameters(), lr=lr, momentum=0.9, weight_decay=0.01)
    for rows in batches:
        optimizer.zero_grad()
        functional.cross_entropy(module(inputs[rows]), labels[rows]).backward()
        optimizer.step()


def client_of(world: World) -> Client:
    return next(client for client in world.federation.clients if client.id == CLIENT)


def head_of(params: Params) -> nn.Linear:
    weight, bias = params["head.weight"], params["head.bias"]
    head = nn.Linear(weight.shape[1], weight.shape[0], dtype=weight.dtype)
    head.load_state_dict({"weight": weight, "bias": bias})
    return head


def as_tree(module: nn.Module, names: Any) -> Params:
    return dict(zip(names, (p.detach() for p in module.parameters()), strict=True))


def test_a_linear_probe_equals_training_a_linear_layer_on_features() -> None:
    world = open_world("head", dtype=torch.float64)
    head, features = head_of(world.params), world.activations.at(world.model)
    train(world, head, features, rows_of(world, client_of(world), 3, "adapt"), 0.05)
    found = adapted(Finetune(epochs=3, local=LOCAL), world)[CLIENT]
    assert_same("probe", found, as_tree(head, found), 1e-10)


def test_full_finetuning_equals_training_the_network() -> None:
    world = open_world("all", dtype=torch.float64)
    network = whole(world)
    inputs = torch.from_numpy(world.federation.examples.inputs)
    train(world, network, inputs, rows_of(world, client_of(world), 2, "adapt"), 0.05)
    found = adapted(Finetune(depth=Everything(), epochs=2, local=LOCAL), world)[CLIENT]
    assert_same("full", found, as_tree(network, found), 1e-10)


def test_last_blocks_equals_training_them_alone() -> None:
    world = open_world(1, dtype=torch.float64)
    network = whole(world)
    network.blocks[0].requires_grad_(False)
    inputs = torch.from_numpy(world.federation.examples.inputs)
    train(world, network, inputs, rows_of(world, client_of(world), 2, "adapt"), 0.05)
    found = adapted(Finetune(depth=LastBlocks(k=1), epochs=2, local=LOCAL), world)[CLIENT]
    assert not any(name.startswith("blocks.0") for name in found)
    expected = {name: p.detach() for name, p in network.named_parameters() if p.requires_grad}
    assert_same("last block", found, expected, 1e-10)


def test_lp_ft_is_a_probe_and_then_gentle_fine_tuning() -> None:
    world = open_world("all", dtype=torch.float64)
    method = LpFt(head_epochs=2, epochs=1, local=LOCAL, finetune_lr_factor=0.2)
    probe, params = world.model.recut(world.params, "head")
    head = head_of(params)
    train(world, head, world.activations.at(probe), rows_of(world, client_of(world), 2, "probe"), 0.05)
    network = whole(world, head)
    inputs = torch.from_numpy(world.federation.examples.inputs)
    train(world, network, inputs, rows_of(world, client_of(world), 1, "finetune"), 0.05 * 0.2)
    found = adapted(method, world)[CLIENT]
    assert_same("lp_ft", found, as_tree(network, found), 1e-10)


def whole(world: World, head: nn.Linear | None = None) -> Network:
    """The network as a plain module with the world's weights."""
    network: Network = world.model.network.to(torch.float64)
    network.load_state_dict(world.model.weights(world.params))
    if head is not None:
        network.head.load_state_dict(head.state_dict())
    return network


class Normalized(Network):
    """Two blocks with BatchNorm, whose statistics came from elsewhere."""

    def __init__(self) -> None:
        blocks = [
            nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(4)),
            nn.Sequential(nn.Conv2d(4, 8, 2), nn.BatchNorm2d(8), nn.Flatten()),
        ]
        super().__init__(blocks, num_features=8, num_classes=3, prepare=lambda x: x.float() / 255, name="normalized")


@pytest.mark.parametrize(
    ("method", "moves"),
    [
        (Finetune(epochs=2), {"head"}),
        (Finetune(depth=LastBlocks(k=1), epochs=2), {"blocks.1", "head"}),
        (Finetune(depth=LastBlocks(k=2), epochs=2), {"blocks.0", "blocks.1", "head"}),
        (Finetune(depth=Everything(), epochs=2), {"blocks.0", "blocks.1", "head"}),
        (LpFt(head_epochs=1, epochs=2), {"blocks.0", "blocks.1", "head"}),
        (Keep(), set()),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, set) else "",
)
def test_frozen_means_frozen(method: Any, moves: set[str]) -> None:
    """Below the cut nothing moves, and normalisation statistics nowhere."""
    torch.manual_seed(0)
    network, federation = Normalized(), small_federation()
    weights = {n: v.clone() for n, v in network.state_dict().items() if not n.endswith("num_batches_tracked")}
    statistics = {name for name in weights if "running" in name}
    for name in statistics:
        weights[name] = torch.rand_like(weights[name]) + 0.5
    model, params = cut_at(network, weights, method.trainable)
    assert statistics <= model.frozen.keys()
    client = federation.clients[3]
    data = OneClient(Activations(federation.examples), client.id, client.train, keyed_order, (0, "adapt"))
    if hasattr(method, "local"):
        method = replace(method, local=LOCAL)
    before = {name: value.clone() for name, value in weights.items()}
    after = model.weights(method(model, params, data))
    moved = {name for name in after if not torch.equal(after[name], before[name])}
    assert {name.rsplit(".", 1)[0].rsplit(".", 1)[0] if "blocks" in name else "head" for name in moved} == moves
    assert not moved & statistics
    assert network.state_dict()["blocks.0.1.num_batches_tracked"] == 0, "the skeleton has counted no batch"


@pytest.mark.parametrize("balance", ["loss", "sampling"])
def test_a_class_balanced_probe_sees_rare_classes_as_often(balance: Balance) -> None:
    """With balanced sampling the same steps reach another head, which errs less on the rare class."""
    world = open_world("head", dtype=torch.float64)
    plain = adapted(Finetune(epochs=20, local=LOCAL), world)[CLIENT]
    balanced = adapted(Finetune(epochs=20, local=replace(LOCAL, balance=balance)), world)[CLIENT]
    assert rare_class_loss(world, balanced) < rare_class_loss(world, plain)


def rare_class_loss(world: World, params: Params) -> float:
    client = client_of(world)
    labels = torch.from_numpy(world.federation.examples.labels[client.train])
    counts = torch.bincount(labels, minlength=3)
    rare = labels == int(torch.where(counts > 0, counts, 99).argmin())
    features = world.activations.at(world.model)[torch.from_numpy(client.train)]
    return float(functional.cross_entropy(world.model.logits(params, features[rare]), labels[rare]))
