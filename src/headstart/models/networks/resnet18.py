"""ResNet-18 with GroupNorm, from its configuration, without any download.

He, Zhang, Ren, Sun: *Deep Residual Learning for Image Recognition*, CVPR 2016, https://arxiv.org/abs/1512.03385.
"""

from __future__ import annotations

from typing import Any

from headstart.core.errors import require
from headstart.models.checkpoints.images import as_network, check_shape, random_backbone
from headstart.models.network import Network
from headstart.models.preprocessing import PrepareImages, Shape
from headstart.models.spec import ModelSpec


def build_resnet18(spec: ModelSpec, shape: Shape, num_classes: int) -> Network:
    """Build the stem and four stages of two basic layers each, 64 to 512 wide; five blocks.

    Raises:
        ModelError: the inputs are no images, or smaller than 32 x 32 pixels.
        MissingExtra: Transformers is not installed.
    """
    config = resnet18_config(shape[0])
    check_shape(config, shape, spec.backbone)
    prepare = PrepareImages(shape[0], (0.5,), (0.5,))
    return as_network(random_backbone(config), prepare, shape, num_classes, spec.backbone)


def resnet18_config(channels: int) -> Any:
    """Return the configuration, as Transformers writes it; the normalisation is not in it."""
    return require("transformers", "images").ResNetConfig(
        num_channels=channels,
        embedding_size=64,
        hidden_sizes=[64, 128, 256, 512],
        depths=[2, 2, 2, 2],
        layer_type="basic",
    )
