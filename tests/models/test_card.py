"""Every kind of network on a card, one that is there or one that pretends: as it is on the processor."""

from __future__ import annotations

import pytest
import torch

from headstart.core.device import CPU, placed
from headstart.models.batch import Batch
from headstart.models.cut import Trainable
from headstart.models.lora import Lora
from headstart.models.model import Model, cut_at
from headstart.models.network import Network
from headstart.testing.compare import assert_same
from tiny_networks import Built


def _gradient(built: Built, trainable: Trainable, device: torch.device) -> dict[str, torch.Tensor]:
    network, weights = built.network.on(device), placed(built.params, device)
    model, params = cut_at(network, weights, trainable)
    inputs = model.activations(built.inputs.to(device))
    batch = Batch(inputs, built.labels.to(device), torch.ones(len(inputs), device=device), full=True)
    return placed(model.gradient(params, batch), CPU)


@pytest.mark.parametrize("trainable", ["all", 1])
def test_gradients_are_the_same(built: Built, card: torch.device, trainable: Trainable) -> None:
    assert_same(str(trainable), _gradient(built, trainable, card), _gradient(built, trainable, CPU), 1e-4)


def test_new_adapters_are_those_of_the_processor(card: torch.device) -> None:
    network = Network([torch.nn.Linear(4, 3)], num_features=3, num_classes=2, prepare=torch.clone, name="one")
    weights = {name: value.detach() for name, value in network.state_dict().items()}
    found = [cut_at(network, placed(weights, device), Lora(rank=2))[1] for device in (CPU, card)]
    assert_same("adapters", placed(found[1], CPU), found[0])


class _Shifted(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3, 3)
        self.register_buffer("shift", torch.arange(3.0), persistent=False)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        shifted: torch.Tensor = self.layer(hidden) + self.shift
        return shifted


def test_constants_follow_and_weights_are_not_copied(card: torch.device) -> None:
    network = Network([_Shifted()], num_features=3, num_classes=2, prepare=torch.clone, name="shifted")
    there = network.on(card)
    assert network.on(CPU) is network
    assert there.on(card) is there
    assert there.get_buffer("blocks.0.shift").device.type == card.type
    assert network.get_buffer("blocks.0.shift").device == CPU
    assert there.head.weight is network.head.weight
    params = {name: value.detach() for name, value in network.state_dict().items()}
    scores = [
        Model(network.on(device), 0, {}).logits(placed(params, device), torch.ones(2, 3, device=device))
        for device in (CPU, card)
    ]
    assert torch.equal(scores[1].cpu(), scores[0])
