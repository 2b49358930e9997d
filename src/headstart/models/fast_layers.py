"""The same layers, faster on a processor: convolutions of tiny feature maps, and pooling.

At small picture sizes the last stages of a network see maps of one or two pixels a side. There a library's convolution
spends most of its time on weights that meet nothing but padding; a matrix product per tap of the kernel does not.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from headstart.models.layout import channels_last
from headstart.models.modules import calls_of, replace_module
from headstart.models.network import Network

TINY = 2
"""Pixels a side up to which products per tap win: measured 2 to 3 times on maps of 2 x 2, slower on 4 x 4."""


def with_fast_layers(network: Network, inputs: Tensor, start: int) -> tuple[Network, frozenset[str]]:
    """Return a skeleton of the same function with faster layers, and the weights that they want taps outermost.

    Args:
        network: any network; it stays as it is.
        inputs: activations at ``start``; a few are enough.
        start: the first block that trains.
    """
    fast = copy.deepcopy(network)
    tiny = set(_convolutions_of_tiny_maps(fast, inputs, start))
    for name, module in list(fast.named_modules()):
        if name in tiny:
            replace_module(fast, name, TapConvolution(module))
        elif type(module) is nn.MaxPool2d and not module.return_indices:
            replace_module(fast, name, ChannelsLastPool(module))
    return fast.eval(), frozenset(f"{name}.weight" for name in tiny)


def taps_outermost(weight: Tensor) -> Tensor:
    """Lay out a convolution's weights ``(out, in, 3, 3)`` tap by tap, each a matrix ``(out, in)``.

    >>> taps_outermost(torch.zeros(4, 5, 3, 3)).stride()
    (5, 1, 60, 20)
    """
    return weight.permute(2, 3, 0, 1).contiguous().permute(2, 3, 0, 1)


class TapConvolution(nn.Module):
    """A 3 x 3 convolution as a sum of matrix products, one per tap.

    Args:
        convolution: whose weights this module takes, under the same names.
    """

    def __init__(self, convolution: Any) -> None:
        super().__init__()
        self.weight, self.bias = convolution.weight, convolution.bias

    def forward(self, hidden: Tensor) -> Tensor:
        """Convolve maps ``(batch, in, height, width)``."""
        result = _by_taps(hidden, self.weight.to(hidden.dtype))
        return result if self.bias is None else result + self.bias.view(-1, 1, 1)


class ChannelsLastPool(nn.Module):
    """Max pooling channel by channel within a pixel, where PyTorch's loop is vectorised.

    Args:
        pool: whose settings this module takes.
    """

    def __init__(self, pool: nn.MaxPool2d) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, hidden: Tensor) -> Tensor:
        """Pool maps ``(batch, channels, height, width)``; the result lies in memory as they do."""
        pool = self.pool
        return _pooled(hidden, pool.kernel_size, pool.stride, pool.padding, pool.dilation, pool.ceil_mode)


@fx.wrap
def _pooled(hidden: Tensor, *settings: Any) -> Tensor:
    pooled: Tensor = functional.max_pool2d(channels_last(hidden), *settings)
    return pooled.contiguous() if hidden.is_contiguous() else pooled


@fx.wrap
def _by_taps(hidden: Tensor, weight: Tensor) -> Tensor:
    result: Tensor = _Taps.apply(hidden, weight)  # type: ignore[no-untyped-call]
    return result


class _Taps(torch.autograd.Function):
    """The products, forwards and backwards. Maps are kept pixel by pixel: ``(height, width, batch, channels)``."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor) -> Tensor:
        pixels, taps = hidden.permute(2, 3, 0, 1).contiguous(), weight.permute(2, 3, 0, 1)
        ctx.save_for_backward(pixels, taps)
        found = pixels.new_zeros(*pixels.shape[:3], len(weight))
        for tap, to, at in _overlaps(*pixels.shape[:2]):
            found[to] += _rows(pixels[at]).mm(taps[tap].mT).view_as(found[to])
        return found.permute(2, 3, 0, 1).contiguous()

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, Tensor]:
        pixels, taps = ctx.saved_tensors
        above = slopes[0].permute(2, 3, 0, 1).contiguous()
        below, kernel = torch.zeros_like(pixels), taps.new_zeros(taps.shape)
        for tap, to, at in _overlaps(*pixels.shape[:2]):
            slope = _rows(above[to])
            below[at] += slope.mm(taps[tap]).view_as(below[at])
            torch.mm(slope.mT, _rows(pixels[at]), out=kernel[tap])
        return below.permute(2, 3, 0, 1).contiguous(), kernel.permute(2, 3, 0, 1)


def _overlaps(height: int, width: int) -> Iterator[tuple[Any, Any, Any]]:
    """Yield each tap that meets more than padding: its place, the pixels it adds to, the pixels it reads."""
    for row in (-1, 0, 1):
        for column in (-1, 0, 1):
            if abs(row) < height and abs(column) < width:
                to = slice(max(0, -row), height - max(0, row)), slice(max(0, -column), width - max(0, column))
                at = slice(max(0, row), height + min(0, row)), slice(max(0, column), width + min(0, column))
                yield (row + 1, column + 1), to, at


def _rows(pixels: Tensor) -> Tensor:
    return pixels.reshape(-1, pixels.shape[-1])


@torch.no_grad()
def _convolutions_of_tiny_maps(network: Network, inputs: Tensor, start: int) -> list[str]:
    """Name the plain 3 x 3 convolutions that see maps of at most 2 x 2 pixels."""
    with calls_of(network) as calls:
        network(inputs[:2].to(torch.float32) if inputs.is_floating_point() else inputs[:2], start)
    plain = [call for call in calls if type(call.module) is nn.Conv2d and _is_plain(call.module)]
    return [call.name for call in plain if max(call.read.shape[-2:]) <= TINY]


def _is_plain(module: nn.Conv2d) -> bool:
    settings = (module.kernel_size, module.stride, module.padding, module.dilation, module.groups, module.padding_mode)
    return settings == ((3, 3), (1, 1), (1, 1), (1, 1), 1, "zeros")
