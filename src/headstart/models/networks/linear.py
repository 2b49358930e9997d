"""Softmax regression: the head on the raw inputs."""

from __future__ import annotations

import math

from torch import nn

from headstart.models.network import Network
from headstart.models.preprocessing import PrepareVectors, Shape
from headstart.models.spec import ModelSpec


def build_linear(spec: ModelSpec, shape: Shape, num_classes: int) -> Network:  # noqa: ARG001
    """Build the network; its one block has no weights, so 'head' and 'all' train the same."""
    return Network(
        [nn.Identity()],
        num_features=math.prod(shape),
        num_classes=num_classes,
        prepare=PrepareVectors(),
        name="linear",
    )
