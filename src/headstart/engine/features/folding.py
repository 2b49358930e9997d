"""The frozen part as a module of its own, with every BatchNorm folded into the convolution before it.

A frozen BatchNorm is one scale and one shift per channel, which a convolution's weights and bias can hold as well:
Jacob et al.: *Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference*, CVPR
2018, §3.2, https://arxiv.org/abs/1712.05877. One pass less over every feature map.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from headstart.models.layout import channels_last
from headstart.models.model import Model
from headstart.models.modules import calls_of, replace_module
from headstart.models.network import Network

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
Pair = tuple[str, str]
"""Names of a convolution and of the BatchNorm after it."""


def frozen_part(model: Model) -> Network:
    """Return the blocks below the cut with their weights in place; the weights are shared, not copied.

    Call it as ``part(inputs, 0, model.cut)``; it has no head.
    """
    skeleton = {id(value): value for value in (*model.network.parameters(), *model.network.buffers())}
    part = copy.deepcopy(model.network, skeleton)
    part.blocks, part.head = part.blocks[: model.cut], nn.Identity()  # type: ignore[assignment]
    weights = {name: value.detach() for name, value in model.frozen.items()}
    part.load_state_dict(weights, strict=False, assign=True)
    return part


@torch.no_grad()
def find_pairs(part: Network, inputs: Tensor) -> list[Pair]:
    """Find each BatchNorm whose input is the output of a convolution that no other module reads.

    A function that is no module may still read it; so compare the folded network with the one before.

    Args:
        part: a frozen part.
        inputs: one raw input, or a few.
    """
    if not any(_is_fixed(module) for module in part.modules()):
        return []
    with calls_of(part) as calls:
        part(inputs, 0, len(part.blocks))
    times, readers = Counter(call.name for call in calls), Counter(id(call.read) for call in calls)
    made = {id(call.made): call.name for call in calls if _is_convolution(call.module)}
    norms = [call for call in calls if _is_fixed(call.module) and id(call.read) in made]
    alone = [(made[id(norm.read)], norm.name) for norm in norms if readers[id(norm.read)] == 1]
    return [pair for pair in alone if times[pair[0]] == times[pair[1]] == 1]


def _is_convolution(module: nn.Module) -> bool:
    """Say whether a module convolves and does nothing else, padding aside."""
    return type(module) in CONVOLUTIONS or getattr(module, "only_pads", False) is True


@torch.no_grad()
def fold(part: Network, pairs: list[Pair]) -> Network:
    """Fold each BatchNorm into its convolution, in place, and return the network; no weight is changed in place."""
    for convolution, norm in pairs:
        before: Any = part.get_submodule(convolution)
        after: Any = part.get_submodule(norm)
        merged = fuse_conv_bn_eval(before, after)
        replace_module(part, convolution, merged)
        replace_module(part, norm, nn.Identity())
    return part


def lay_channels_last(part: Network) -> Network:
    """Have pictures and weights lie channel by channel within a pixel, and return the network."""
    part.prepare = _ChannelsLast(part.prepare)
    return part.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


@torch.no_grad()
def largest_map(part: Network, inputs: Tensor) -> int:
    """Return the bytes of the largest tensor that a module gives for one row, computed on the first of ``inputs``."""
    with calls_of(part) as calls:
        part(inputs[:1], 0, len(part.blocks))
    return max((call.made.nbytes for call in calls), default=1)


@dataclass(frozen=True)
class _ChannelsLast:
    """A preparation whose pictures lie channel by channel within a pixel."""

    prepare: Callable[[Tensor], Tensor]

    def __call__(self, inputs: Tensor) -> Tensor:
        """Prepare a batch."""
        return channels_last(self.prepare(inputs))


def _is_fixed(module: nn.Module) -> bool:
    """Say whether this is a BatchNorm that uses the statistics it has stored."""
    return type(module) in NORMS and not module.training and module.running_mean is not None
