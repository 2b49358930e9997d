"""A small CNN: two convolutions, about 5,000 weights below the head."""

from __future__ import annotations

from torch import nn

from headstart.core.errors import ModelError
from headstart.models.network import Network
from headstart.models.preprocessing import PrepareImages, Shape
from headstart.models.spec import ModelSpec

SMALLEST = 4
"""Pixels: two poolings halve each side twice."""


def build_small_cnn(spec: ModelSpec, shape: Shape, num_classes: int) -> Network:  # noqa: ARG001
    """Build conv 3x3x16 → pool → conv 3x3x32 → pool → head; each convolution is a block.

    Raises:
        ModelError: the inputs are not images, or smaller than 4 x 4 pixels.
    """
    if len(shape) != 3 or min(shape[1:]) < SMALLEST:
        raise ModelError(
            f"backbone: 'small-cnn' reads images of at least {SMALLEST} x {SMALLEST} pixels, received inputs "
            f"of shape {shape}; set a larger image_size, or take 'mlp'"
        )
    channels, height, width = shape
    blocks = [_stage(channels, 16), nn.Sequential(*_stage(16, 32), nn.Flatten())]
    return Network(
        blocks,
        num_features=32 * (height // 4) * (width // 4),
        num_classes=num_classes,
        prepare=PrepareImages(channels, (0.5,), (0.5,)),
        name="small-cnn",
    )


def _stage(below: int, above: int) -> nn.Sequential:
    # Pooling first gives ReLU a quarter of the work; the two commute.
    return nn.Sequential(nn.Conv2d(below, above, kernel_size=3, padding=1), nn.MaxPool2d(2), nn.ReLU())
