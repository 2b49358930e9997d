from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.func import functional_call

import own_networks as networks
from headstart.core.errors import ModelError
from headstart.models import ModelSpec
from headstart.models.model import cut_at
from headstart.models.own import given, own_state
from headstart.models.registry import build, new_head

CASES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "bound": (networks.Bound, (3, 16, 16)),
    "densenet": (lambda: networks.DenseNet(2), (3, 32, 32)),
    "perceptron": (networks.Perceptron, (5,)),
    "resnet": (lambda: networks.ResNet(2), (3, 32, 32)),
    "vit": (lambda: networks.ViT(2), (3, 32, 32)),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("from_scratch", [False, True])
def test_weights_go_back_into_the_users_module_strictly(name: str, from_scratch: bool) -> None:
    make, shape = CASES[name]
    torch.manual_seed(0)
    module, own = make(), given(make())
    spec = ModelSpec(backbone=own.name)
    network, weights = build(spec, shape=shape, num_classes=2, from_scratch=from_scratch, seed=1, own=own)
    weights = {name: value + 0.01 if value.is_floating_point() else value for name, value in weights.items()}
    module.load_state_dict(own_state(network, weights), strict=True)
    inputs = torch.randint(0, 256, (3, *shape), dtype=torch.uint8) if len(shape) == 3 else torch.randn(3, *shape)
    mine = functional_call(network, weights, (inputs,))
    assert torch.allclose(module.eval()(network.prepare(inputs)), mine, atol=1e-5)


def test_copies_and_new_heads_know_the_names_too() -> None:
    own = given(networks.ResNet(2))
    network, weights = build(
        ModelSpec(backbone=own.name), shape=(3, 32, 32), num_classes=2, from_scratch=False, seed=0, own=own
    )
    other, changed = new_head(copy.deepcopy(network), weights, 5, seed=1)
    networks.ResNet(5).load_state_dict(own_state(other, changed), strict=True)
    model, params = cut_at(network, weights, 2)
    networks.ResNet(2).load_state_dict(own_state(model.network, model.weights(params)), strict=True)


class Unused(nn.Module):
    """Has weights, buffers and a list that forward never reads."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.fc, self.auxiliary = nn.Linear(3, 4), nn.Linear(4, 2), nn.Linear(4, 2)
        self.register_buffer("steps", torch.tensor(7))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.body(x).relu())


def test_weights_that_forward_never_reads_come_back_as_they_were() -> None:
    torch.manual_seed(0)
    module = Unused()
    own = given(module)
    network, weights = build(
        ModelSpec(backbone=own.name), shape=(3,), num_classes=2, from_scratch=False, seed=0, own=own
    )
    assert "auxiliary" not in " ".join(weights), "what is never read is neither trained nor sent"
    state = own_state(network, weights)
    assert torch.equal(state["auxiliary.weight"], module.auxiliary.weight)
    assert state["steps"] == 7
    Unused().load_state_dict(state, strict=True)


def test_a_head_without_a_bias_cannot_take_one() -> None:
    own = given(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2, bias=False)))
    network, weights = build(
        ModelSpec(backbone=own.name), shape=(3,), num_classes=2, from_scratch=False, seed=0, own=own
    )
    assert "1.bias" not in own_state(network, weights)
    with pytest.raises(ModelError, match="has a bias now, and the module's own has none"):
        own_state(network, {**weights, "head.bias": torch.ones(2)})


def test_a_built_in_network_has_no_module_of_the_users() -> None:
    network, weights = build(ModelSpec(), shape=(1, 8, 8), num_classes=2, from_scratch=True, seed=0)
    with pytest.raises(ModelError, match="'small-cnn' is not made of a module of the user's own"):
        own_state(network, weights)
