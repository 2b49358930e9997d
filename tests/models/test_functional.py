"""A network as a function of its weights does what its modules do."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.func import functional_call

from headstart.models.fast_layers import with_fast_layers
from headstart.models.functional import functional_of
from headstart.models.network import Network
from headstart.testing import open_world
from tiny_networks import Built


def network_of(*blocks: nn.Module, features: int = 4) -> Network:
    return Network(blocks, num_features=features, num_classes=2, prepare=lambda x: x, name="own")


class Sized(nn.Module):
    """Asks for sizes, as users' code does."""

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        rows, width = hidden.shape
        if hidden.dim() != 2 or hidden.ndim != 2 or width != 4 or hidden.size(1) != hidden.size()[1]:
            raise ValueError("needs four columns")
        return hidden.view(rows, 2, -1).flip(1).reshape(hidden.size(0), width)


class Doubling(nn.Module):
    """Does other than before every time."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = 1

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        self.factor *= 2
        return hidden * self.factor


class Choosing(nn.Module):
    """Goes by what its input is."""

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden if hidden.sum() > 0 else -hidden


class Constant(nn.Module):
    """Has a tensor of its own that is no weight."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shift", torch.arange(4.0), persistent=False)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden + self.shift


@pytest.mark.parametrize("fast", [False, True], ids=["as built", "fast layers"])
@torch.no_grad()
def test_features_are_those_of_the_modules(built: Built, fast: bool) -> None:
    network, inputs = built.network, built.inputs
    for start in range(network.depth):
        hidden = functional_call(network, built.params, (inputs, 0, start)) if start else inputs
        used = with_fast_layers(network, hidden, start)[0] if fast else network
        found = functional_of(used, hidden, start)
        assert found is not None
        expected = functional_call(used, built.params, (hidden, start, network.depth))
        prepared = network.prepare(hidden) if start == 0 else hidden
        torch.testing.assert_close(found(built.params, prepared), expected)


@pytest.mark.parametrize("block", [Sized(), Constant()], ids=["sizes", "constants"])
@torch.no_grad()
def test_code_that_asks_for_sizes_and_constants_can_be_written_down(block: nn.Module) -> None:
    network, inputs = network_of(nn.Linear(4, 4), block), torch.randn(5, 4)
    found = functional_of(network, inputs, 0)
    assert found is not None
    torch.testing.assert_close(found(dict(network.state_dict()), inputs), network(inputs, 0, 2))


@pytest.mark.parametrize("block", [Doubling(), Choosing()], ids=["changes", "chooses"])
def test_code_that_cannot_be_written_down_is_not(block: nn.Module) -> None:
    assert functional_of(network_of(nn.Linear(4, 4), block), torch.randn(1, 4), 0) is None


def test_float64_stays_float64() -> None:
    network, inputs = network_of(nn.Linear(4, 4), nn.ReLU()), torch.randn(2, 4)
    found: Any = functional_of(network, inputs, 0)
    weights = {name: value.double() for name, value in network.state_dict().items()}
    assert found(weights, inputs).dtype == torch.float64


def test_a_part_above_a_cut_is_written_down_in_float64() -> None:
    world = open_world(1, dtype=torch.float64)
    inputs = world.activations.few(world.model, 2)
    assert inputs.dtype == torch.float64
    assert functional_of(world.model.network, inputs, world.model.cut) is not None
