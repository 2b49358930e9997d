"""A small world whose network has a BatchNorm and a GroupNorm."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from headstart.models.model import cut_at
from headstart.models.network import Network
from headstart.testing import World, open_world


def normed_world(dtype: torch.dtype = torch.float32) -> World:
    """Put a network with norms into the small federation; its statistics and scales are not those of a new one."""
    world = open_world("all", dtype=dtype)
    network = Network(
        [
            nn.Sequential(nn.Conv2d(1, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU()),
            nn.Sequential(nn.Conv2d(4, 6, 3, 2, 1), nn.GroupNorm(2, 6), nn.ReLU()),
            nn.Flatten(),
        ],
        num_features=24,
        num_classes=3,
        prepare=world.model.network.prepare,
        name="normed",
    )
    generator = torch.Generator().manual_seed(0)
    weights = {
        name: (torch.rand(value.shape, generator=generator, dtype=torch.float64) + (0.5 if "1." in name else -0.5)).to(
            dtype
        )
        for name, value in network.state_dict().items()
        if value.is_floating_point()
    }
    model, params = cut_at(network, weights, "all")
    return replace(world, model=model, params=params)
