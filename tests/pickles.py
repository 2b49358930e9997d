"""Files as users have them: what training scripts, other tools and broken downloads leave."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Tensor, nn


class Net(nn.Module):
    """A small network as a user writes it: a convolution, a norm, a head."""

    def __init__(self, classes: int = 2) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
        self.fc = nn.Linear(4, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.fc(self.body(images).flatten(1))


class Trap:
    """What runs a command in whoever unpickles it."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


def net(classes: int = 2, seed: int = 0) -> Net:
    """Make a network of other weights for each seed, and of norms that have seen a batch."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        made = Net(classes)
        made(torch.randn(8, 1, 6, 6))
    return made.eval()


def saved(path: Path, content: object, **how: bool) -> Path:
    """Write a file as a training script does."""
    torch.save(content, path, **how)
    return path


def equal(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    """Say whether two trees have the same names and numbers."""
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)
