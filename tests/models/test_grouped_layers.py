"""Layers of several clients as one: every layer that is known, and words for the others."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from headstart.core import trees
from headstart.models.functional import functional_of
from headstart.models.grouped import grouped
from headstart.models.grouped_layers import UnknownLayer, as_features, as_maps
from headstart.models.network import Network


class Doing(nn.Module):
    """A function as a module, after a layer of its own that trains."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.layer, self.function = nn.Conv2d(3, 4, 3), function

    def forward(self, hidden: Tensor) -> Tensor:
        return self.function(self.layer(hidden))


class Standardised(nn.Conv2d):
    """A convolution whose weights are standardised first, as in timm."""

    def forward(self, hidden: Tensor) -> Tensor:
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return functional.conv2d(hidden, weight, self.bias)


def normed() -> nn.Module:
    norm = nn.BatchNorm2d(4)
    norm.running_mean, norm.running_var = torch.randn(4), torch.rand(4) + 0.5
    return norm


KNOWN: dict[str, Callable[[], nn.Module]] = {
    "stride and no bias": lambda: nn.Conv2d(4, 6, 3, stride=2, padding=1, bias=False),
    "groups of its own": lambda: nn.Conv2d(4, 8, 3, groups=2, dilation=2),
    "padding by a word": lambda: nn.Conv2d(4, 8, 3, padding="same"),
    "max pool": lambda: nn.MaxPool2d(2),
    "mean pool": lambda: nn.AvgPool2d(2, stride=1),
    "one place": lambda: nn.AdaptiveAvgPool2d(1),
    "batch norm": normed,
    "group norm": lambda: nn.GroupNorm(2, 4),
    "no affine group norm": lambda: nn.GroupNorm(4, 4, affine=False),
    "instance of relu in place": lambda: nn.ReLU(inplace=True),
    "dropout": lambda: nn.Dropout2d(),
    "larger": lambda: nn.Upsample(scale_factor=2),
    "padded": lambda: nn.ZeroPad2d(1),
    "a sum": lambda: Around(lambda hidden: hidden + torch.sigmoid(hidden)),
    "excitation": lambda: Around(lambda hidden: hidden * hidden.mean((2, 3), keepdim=True)),
    "channels joined": lambda: Around(lambda hidden: torch.cat([hidden, functional.relu(hidden)], 1)),
    "features joined after": lambda: Around(lambda hidden: hidden.mean((-2, -1))),
}


class Around(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, hidden: Tensor) -> Tensor:
        return self.function(hidden)


def network_of(*layers: nn.Module) -> Network:
    blocks = nn.Sequential(nn.Conv2d(3, 4, 3), *layers, nn.Flatten())
    with torch.no_grad():
        features = blocks.eval()(torch.zeros(1, 3, 9, 9)).shape[1]
    return Network([blocks], num_features=features, num_classes=2, prepare=lambda x: x, name="own")


@pytest.mark.parametrize("make", KNOWN.values(), ids=KNOWN)
def test_a_known_layer_gives_each_client_its_own(make: Callable[[], nn.Module]) -> None:
    network, inputs = network_of(make()), torch.randn(3, 5, 3, 9, 9)
    alone = functional_of(network, inputs[0], 0)
    assert alone is not None
    draws = torch.Generator().manual_seed(0)
    clients = [
        {name: value + 0.1 * torch.rand(value.shape, generator=draws) for name, value in alone.own.items()}
        for _ in range(3)
    ]
    expected = torch.stack([alone(own, each) for own, each in zip(clients, inputs, strict=True)])
    torch.testing.assert_close(grouped(alone)(trees.stack(clients), inputs), expected)


UNKNOWN: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "layer norm": (lambda: nn.Sequential(nn.Flatten(), nn.LayerNorm(196)), "'layer_norm' is not known"),
    "a linear layer of maps": (lambda: nn.Linear(7, 7), "of something else than flat features"),
    "a batch's statistics": (lambda: nn.BatchNorm2d(4, track_running_stats=False), "by a batch's statistics"),
    "mean of channels": (lambda: Around(lambda hidden: hidden.mean(1, keepdim=True)), "else than all places"),
    "another shape": (lambda: Around(lambda hidden: hidden.reshape(-1, 2, 98)), "else than flat features"),
    "rows joined": (lambda: Around(lambda hidden: torch.cat([hidden, hidden], 2)), "else than channels of maps"),
    "one channel times all": (lambda: Around(lambda hidden: hidden * hidden[:, :1]), "is not known"),
    "a weight of its own": (lambda: nn.PReLU(4), "is not known"),
    "what is made of weights": (lambda: Standardised(4, 4, 3), "'mean' reads no examples, but weights alone"),
    "softmax of channels": (lambda: nn.Softmax(1), "is not known"),
}


@pytest.mark.parametrize(("make", "words"), UNKNOWN.values(), ids=UNKNOWN)
def test_an_unknown_layer_is_named(make: Callable[[], nn.Module], words: str) -> None:
    alone = functional_of(network_of(make()), torch.randn(1, 3, 9, 9), 0)
    with pytest.raises(UnknownLayer, match=words):
        grouped(alone)


def test_maps_lie_side_by_side_and_come_apart_again() -> None:
    stack = torch.arange(2 * 3 * 4 * 5 * 6).view(2, 3, 4, 5, 6)
    maps = as_maps(stack)
    assert maps.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(maps[:, 4:], stack[1])
    assert torch.equal(as_features(maps, 2), stack.flatten(2))
