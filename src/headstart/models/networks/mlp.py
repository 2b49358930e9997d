"""A perceptron with hidden layers of ReLU units."""

from __future__ import annotations

import itertools
import math

from torch import nn

from headstart.core.errors import ModelError
from headstart.models.network import Network
from headstart.models.preprocessing import PrepareVectors, Shape
from headstart.models.spec import ModelSpec


def build_mlp(spec: ModelSpec, shape: Shape, num_classes: int) -> Network:
    """Build the network; each hidden layer is a block.

    Raises:
        ModelError: a width is not positive, or there is none.
    """
    if not spec.hidden or min(spec.hidden) < 1:
        raise ModelError(f"hidden: 'mlp' takes one or more widths ≥ 1, received {list(spec.hidden)}; give e.g. [64]")
    widths = (math.prod(shape), *spec.hidden)
    layers = [nn.Sequential(nn.Linear(below, above), nn.ReLU()) for below, above in itertools.pairwise(widths)]
    return Network(layers, num_features=widths[-1], num_classes=num_classes, prepare=PrepareVectors(), name="mlp")
