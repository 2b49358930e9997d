"""A small network whose costs can be counted by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from headstart.core.trees import Params
from headstart.models.network import Network

# Inputs (1, 8, 8), conv 3x3x4 (4*9 + 4 weights), conv 3x3x2 (2*36 + 2), 128 features, 3 classes (3*128 + 3).


@pytest.fixture(scope="session")
def network() -> Network:
    first = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU())
    second = nn.Sequential(nn.Conv2d(4, 2, 3, padding=1), nn.ReLU(), nn.Flatten())
    return Network([first, second], num_features=128, num_classes=3, prepare=lambda x: x.float(), name="tiny")


@pytest.fixture(scope="session")
def weights(network: Network) -> Params:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


@pytest.fixture(scope="session")
def raw() -> torch.Tensor:
    return torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
