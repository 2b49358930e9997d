"""GroupNorm in place of BatchNorm, for networks that train from scratch.

Batch statistics of clients with different classes disagree, and their average fits none of them.
Hsieh, Phanishayee, Mutlu, Gibbons: *The Non-IID Data Quagmire of Decentralized Machine Learning*, ICML 2020,
https://arxiv.org/abs/1910.00189. Wu, He: *Group Normalization*, ECCV 2018, https://arxiv.org/abs/1803.08494.
"""

from __future__ import annotations

import math

from torch import nn

MOST_GROUPS = 32

BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d | nn.SyncBatchNorm
"""Layers that normalise by the statistics of a batch, or by those that they keep."""

_NORMS = (BatchNorm, nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)


def use_group_norm(module: nn.Module) -> None:
    """Replace every BatchNorm below ``module``, in place; scale and shift stay as they are."""
    for name, child in module.named_children():
        if isinstance(child, BatchNorm):
            setattr(module, name, _group_norm(child))
        else:
            use_group_norm(child)


def _group_norm(norm: BatchNorm) -> nn.GroupNorm:
    groups = nn.GroupNorm(num_groups(norm.num_features), norm.num_features, norm.eps, affine=norm.affine)
    if norm.affine:
        groups.weight, groups.bias = norm.weight, norm.bias
    return groups


def num_groups(channels: int) -> int:
    """Return 32 groups (Wu and He, 2018), or fewer: they divide the channels, and hold at least two each.

    A group of one channel and one pixel would always be normalised to zero.

    >>> [num_groups(channels) for channels in (512, 64, 32, 24, 3)]
    [32, 32, 16, 4, 1]
    """
    return math.gcd(MOST_GROUPS, channels, channels // 2)


def norm_weights(network: nn.Module) -> frozenset[str]:
    """Return the names of scales and shifts of PyTorch's layers that normalise, and of layers made of these.

    >>> sorted(norm_weights(nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2))))
    ['1.bias', '1.weight']
    """
    norms = [(name, module) for name, module in network.named_modules() if isinstance(module, _NORMS)]
    return frozenset(f"{name}.{own}" for name, module in norms for own, _ in module.named_parameters(recurse=False))
