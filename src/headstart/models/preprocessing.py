"""From stored inputs to what block 0 reads; images are stored already at the study's ``image_size``."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from headstart.models.constants import numbers_like

Shape = tuple[int, ...]
"""Shape of one stored input: ``(channels, height, width)`` of an image, ``(columns,)`` of a table, ``()`` of a text."""


@dataclass(frozen=True)
class PrepareImages:
    """Bytes ``(batch, channels, height, width)`` in [0, 255] to normalised floats of the same shape.

    Attributes:
        channels: what the network reads; grey images are repeated to it.
        mean: per channel, of pixels scaled to [0, 1]; one number stands for all channels.
        std: as ``mean``.
        scale: what a byte is multiplied by before it is normalised.

    >>> PrepareImages(3, (0.5,), (0.5,))(torch.full((1, 1, 2, 2), 255, dtype=torch.uint8)).shape
    torch.Size([1, 3, 2, 2])
    """

    channels: int
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    scale: float = 1 / 255

    def __call__(self, inputs: Tensor) -> Tensor:
        """Normalise a batch."""
        pixels = inputs.to(torch.float32) * self.scale
        pixels = pixels.expand(-1, self.channels, -1, -1)
        return (pixels - self._per_channel(self.mean, pixels)) / self._per_channel(self.std, pixels)

    @staticmethod
    def _per_channel(values: tuple[float, ...], pixels: Tensor) -> Tensor:
        return numbers_like(pixels, values).view(-1, 1, 1)


@dataclass(frozen=True)
class PrepareTokens:
    """Token numbers ``(batch, tokens)`` of the type that embeddings read; -1 is padding.

    >>> PrepareTokens()(torch.tensor([[101, 7, -1]], dtype=torch.int32)).dtype
    torch.int64
    """

    def __call__(self, inputs: Tensor) -> Tensor:
        """Widen a batch."""
        return inputs.to(torch.int64)


@dataclass(frozen=True)
class PrepareVectors:
    """One flat float vector per input: a table's columns as they are, an image's bytes scaled to [0, 1].

    >>> PrepareVectors()(torch.full((2, 1, 2, 2), 255, dtype=torch.uint8))[0]
    tensor([1., 1., 1., 1.])
    """

    def __call__(self, inputs: Tensor) -> Tensor:
        """Flatten a batch to ``(batch, num_features)``."""
        scale = 1.0 if inputs.is_floating_point() else 1 / 255
        return inputs.to(torch.float32).flatten(1) * scale
