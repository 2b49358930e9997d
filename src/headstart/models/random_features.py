"""Random features: a frozen map above the backbone, on which a linear head is a kernel machine.

Rahimi, Recht: Random Features for Large-Scale Kernel Machines. NeurIPS 2007 (algorithm 1),
https://papers.nips.cc/paper/3182-random-features-for-large-scale-kernel-machines. Federated ridge regression on them
is Fed3R-RF (Fanì, Camoriano, Caputo, Ciccone, ICML 2024, https://arxiv.org/abs/2406.01116).

Inner products of mapped features approximate ``|x| |y| exp(-||u - v||² / (2 bandwidth²))``, where ``u`` and ``v`` are
features ``x`` and ``y`` brought to length 1: mapped ones are as long as they were, and suit the same step sizes. Of a
table's columns, whose length tells something, ``u`` is ``x`` divided by the root of their number ``d``, and all mapped
ones are about as long as that root: ``d exp(-||u - v||² / (2 bandwidth²))``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from headstart.core.seeds import torch_generator
from headstart.models.network import Network
from headstart.models.preprocessing import Shape
from headstart.models.spec import ModelSpec, is_bare


class RandomFeatures(nn.Module):
    """Cosines in random directions; drawn from a key, the same for all seeds.

    Args:
        num_features: of the network below, ``d``.
        width: number of random features.
        bandwidth: of the kernel.
        is_table: whether inputs are scaled alike, not each to length 1.
    """

    frequencies: Tensor
    phases: Tensor

    def __init__(self, num_features: int, width: int, bandwidth: float, *, is_table: bool) -> None:
        super().__init__()
        generator = torch_generator("random features", num_features, width)
        directions = torch.randn(num_features, width, generator=generator)
        self.register_buffer("frequencies", directions / bandwidth)
        self.register_buffer("phases", 2 * math.pi * torch.rand(width, generator=generator))
        self.is_table = is_table

    def forward(self, features: Tensor) -> Tensor:
        """Map features ``(batch, d)`` to ``(batch, width)``."""
        frequencies, phases = self.frequencies.to(features.dtype), self.phases.to(features.dtype)
        if self.is_table:
            length: Tensor | float = math.sqrt(len(frequencies))
        else:
            length = features.norm(dim=-1, keepdim=True).clamp_min(1e-12)
        return length * math.sqrt(2 / len(phases)) * torch.cos(features / length @ frequencies + phases)


def with_random_features(network: Network, spec: ModelSpec, shape: Shape) -> Network:
    """Return a network for inputs of a shape with a map on top, if the specification says so; its head is another."""
    if spec.random_features is None:
        return network
    width, bandwidth = spec.random_features, spec.random_bandwidth
    block = RandomFeatures(network.num_features, width, bandwidth, is_table=is_bare(spec) and len(shape) == 1)
    return Network(
        [*network.blocks, block],
        num_features=width,
        num_classes=network.num_classes,
        prepare=network.prepare,
        name=f"{network.name}, {width} random features of bandwidth {bandwidth:g}",
        loss=network.loss,
        names={name: own for name, own in network.names.items() if not name.startswith("head.")},
        precision=network.precision,
    )


def is_mapped(network: Network) -> bool:
    """Say whether the head reads random features."""
    return isinstance(network.blocks[-1], RandomFeatures)
