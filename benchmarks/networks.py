"""The works' networks as rows of blocks, and the names that their weights have in the peers' files."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from headstart.core.trees import Params
from headstart.models.network import Network
from headstart.models.networks.small_cnn import build_small_cnn
from headstart.models.spec import ModelSpec

STAGES = ((64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1))
"""Channels and stride of ResNet-18's eight basic blocks."""

PEER_NAMES = (
    (r"^head\.", "fc."),
    (r"^blocks\.0\.0\.", "c1."),
    (r"^blocks\.1\.0\.", "c2."),
    (r"^blocks\.0\.(?=conv1|bn1)", "body."),
)
"""Patterns of our names and what the peers call them; ResNet's numbered blocks are one less there."""


class Stem(nn.Module):
    """7 × 7 convolution and pooling: a quarter of the side."""

    def __init__(self, *, running: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64, track_running_stats=running)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return ``(batch, 64, side / 4, side / 4)``."""
        return functional.max_pool2d(functional.relu(self.bn1(self.conv1(inputs))), 3, stride=2, padding=1)


class Basic(nn.Module):
    """Two 3 × 3 convolutions beside a shortcut."""

    def __init__(self, below: int, above: int, stride: int, *, running: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(below, above, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(above, track_running_stats=running)
        self.conv2 = nn.Conv2d(above, above, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(above, track_running_stats=running)
        self.down = nn.Sequential()
        if stride != 1 or below != above:
            shortcut = nn.Conv2d(below, above, 1, stride=stride, bias=False)
            self.down = nn.Sequential(shortcut, nn.BatchNorm2d(above, track_running_stats=running))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return ``(batch, above, …)``."""
        hidden = functional.relu(self.bn1(self.conv1(inputs)))
        return functional.relu(self.bn2(self.conv2(hidden)) + self.down(inputs))


class Mean(nn.Module):
    """Mean over the pixels."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return ``(batch, channels)``."""
        return inputs.mean((2, 3))


def as_they_are(inputs: Tensor) -> Tensor:
    """Return the inputs: the works' examples are floats already."""
    return inputs


def resnet18(num_classes: int, *, running: bool) -> Network:
    """Build torchvision's ResNet-18; ``running`` says whether BatchNorm uses stored statistics or the batch's."""
    blocks: list[nn.Module] = [Stem(running=running)]
    below = 64
    for above, stride in STAGES:
        blocks.append(Basic(below, above, stride, running=running))
        below = above
    name = f"benchmark/resnet-18/{'running' if running else 'batch'}"
    return Network([*blocks, Mean()], num_features=512, num_classes=num_classes, prepare=as_they_are, name=name)


def small_cnn(shape: tuple[int, ...], num_classes: int) -> Network:
    """Build Headstart's own small CNN, for inputs that are floats already."""
    built = build_small_cnn(ModelSpec(backbone="small-cnn"), shape, num_classes)
    features = built.num_features
    blocks = list(built.blocks)
    return Network(
        blocks, num_features=features, num_classes=num_classes, prepare=as_they_are, name="benchmark/small-cnn"
    )


def pfl_cnn(shape: tuple[int, ...], num_classes: int) -> Network:
    """Build the CNN that pfl-research times on CIFAR-10, without its dropout: two convolutions, a pool, two layers."""
    side = (shape[1] - 4) // 2
    blocks = [
        nn.Sequential(nn.Conv2d(shape[0], 32, 3), nn.ReLU()),
        nn.Sequential(nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        nn.Sequential(nn.Linear(64 * side * side, 128), nn.ReLU()),
    ]
    return Network(blocks, num_features=128, num_classes=num_classes, prepare=as_they_are, name="benchmark/pfl-cnn")


def linear(columns: int, num_classes: int) -> Network:
    """Build softmax regression; as Headstart's own, its one block has no weights."""
    return Network(
        [nn.Identity()], num_features=columns, num_classes=num_classes, prepare=as_they_are, name="benchmark/linear"
    )


def peer_name(name: str) -> str:
    """Return what the peers call a weight.

    >>> peer_name("blocks.3.down.0.weight"), peer_name("blocks.0.bn1.bias"), peer_name("head.bias")
    ('body.layers.2.down.0.weight', 'body.bn1.bias', 'fc.bias')
    >>> peer_name("blocks.1.0.weight")
    'c2.weight'
    """
    for pattern, theirs in PEER_NAMES:
        if re.match(pattern, name):
            return re.sub(pattern, theirs, name)
    return re.sub(r"^blocks\.(\d+)\.", lambda match: f"body.layers.{int(match[1]) - 1}.", name)


def weights_of(network: Network) -> Params:
    """Return a network's weights and buffers as it was built."""
    return {k: v.clone() for k, v in network.state_dict().items() if not k.endswith("num_batches_tracked")}


def with_values(network: Network, values: Mapping[str, Tensor]) -> Params:
    """Return a network's weights, taken from the peers' names where ``values`` has them.

    Raises:
        KeyError: a weight has no value.
    """
    return {name: values[peer_name(name)].to(torch.float32) for name in weights_of(network)}
