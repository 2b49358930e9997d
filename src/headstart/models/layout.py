"""How pictures and convolutions lie in memory."""

from __future__ import annotations

import torch
from torch import Tensor


def channels_last(tensor: Tensor) -> Tensor:
    """Lay out a batch of pictures, or a convolution's weights, channel by channel within a pixel.

    PyTorch cannot tell the layout of one channel, and then takes the other one; strides that say it settle that.

    >>> channels_last(torch.zeros(2, 1, 4, 4)).stride()
    (16, 1, 4, 1)
    """
    if tensor.dim() != 4:
        return tensor
    _, channels, height, width = tensor.shape
    strides = (channels * height * width, 1, width * channels, channels)
    if tensor.stride() == strides:
        return tensor
    return torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype, device=tensor.device).copy_(tensor)


def channels_last_stack(tensor: Tensor) -> Tensor:
    """Lay out the weights of a stack of clients so: one client after another, each as :func:`channels_last` does.

    >>> channels_last_stack(torch.zeros(2, 3, 4, 5, 5)).stride()
    (300, 100, 1, 20, 4)
    """
    return channels_last(tensor.flatten(0, 1)).unflatten(0, tensor.shape[:2]) if tensor.dim() == 5 else tensor
