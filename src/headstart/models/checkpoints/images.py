"""Transformers image checkpoints, by Hub name or local directory, as backbones. Only safetensors are read."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from headstart.core.errors import ModelError, require
from headstart.models.checkpoints.families import family_of
from headstart.models.checkpoints.hub import (
    explained,
    first_line,
    function_name,
    load_backbone,
    quiet,
    read_config,
    read_preprocessor,
)
from headstart.models.modules import names_in
from headstart.models.network import Network
from headstart.models.normalization import use_group_norm
from headstart.models.preprocessing import PrepareImages, Shape
from headstart.models.spec import ModelSpec

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation per channel, where a checkpoint does not say its own."""

TEXTS = "texts; take a text checkpoint, such as 'sentence-transformers/all-MiniLM-L6-v2'"
"""What a network of images or tables is told of texts."""


def build_checkpoint(spec: ModelSpec, shape: Shape, num_classes: int, *, from_scratch: bool) -> Network:
    """Build a checkpoint's backbone: with its weights, or from its configuration with random ones, GroupNorm.

    Raises:
        ModelError: no such checkpoint, not one for images, or inputs that it cannot read.
        MissingExtra: Transformers is not installed.
    """
    name = spec.backbone
    with explained(name), quiet():
        config = read_config(name)
        _check_reads_images(config, name)
        check_shape(config, shape, name)
        backbone = (
            random_backbone(config) if from_scratch else load_backbone(name, family_of(config.model_type).options)
        )
        prepare = _read_prepare(name, int(config.num_channels))
    return as_network(backbone, prepare, shape, num_classes, name)


def random_backbone(config: Any) -> nn.Module:
    """Build a configuration's backbone with random weights and GroupNorm."""
    auto = require("transformers", "images").AutoModel
    backbone: nn.Module = auto.from_config(config, **family_of(config.model_type).options)
    use_group_norm(backbone)
    return backbone


def as_network(backbone: Any, prepare: PrepareImages, shape: Shape, num_classes: int, name: str) -> Network:
    """Take a backbone apart into blocks, and measure its features on one image.

    Raises:
        ModelError: the backbone fails on images of this shape, or its features are not finite or random.
    """
    blocks = nn.Sequential(*family_of(backbone.config.model_type).blocks(backbone)).eval()
    image = prepare(torch.arange(math.prod(shape)).remainder(256).to(torch.uint8).view(1, *shape))
    try:
        with torch.no_grad():
            features, again = blocks(image), blocks(image)
    except (RuntimeError, ValueError, IndexError, AttributeError, TypeError) as error:
        size = getattr(backbone.config, "image_size", None) or "a larger one"
        raise ModelError(
            f"image_size: '{name}' fails on images of shape {shape} ({first_line(error)}); try {size}"
        ) from error
    if not torch.isfinite(features).all():
        raise ModelError(
            f"backbone: the features of '{name}' are not finite on a plain image though its weights are; its "
            "statistics or scales are too large for float32: take another checkpoint"
        )
    if not torch.equal(features, again):
        raise ModelError(
            f"backbone: '{name}' gives other features at every call (random masking?), so none can be kept; "
            f"take another checkpoint"
        )
    return Network(
        list(blocks),
        num_features=features.shape[1],
        num_classes=num_classes,
        prepare=prepare,
        name=function_name(backbone.config, backbone, prepare),
        names={f"blocks.{name}": own for name, own in names_in(backbone, blocks).items()},
    )


def check_shape(config: Any, shape: Shape, name: str) -> None:
    """Check that a network reads inputs of this shape.

    Raises:
        ModelError: the inputs are no images, have the wrong number of channels, or are too small.
    """
    check_pictures(shape, config.num_channels, family_of(config.model_type).stride(config), name)


def check_pictures(shape: Shape, channels: int, stride: int, name: str) -> None:
    """Check that a network of so many channels, and of so many pixels per position at its end, reads such inputs.

    Raises:
        ModelError: the inputs are no images, have the wrong number of channels, or are too small.
    """
    if len(shape) != 3:
        received = f"a table of {shape[0]} columns; take 'linear' or 'mlp'" if shape else TEXTS
        raise ModelError(f"backbone: '{name}' reads images, received {received}")
    found, height, width = shape
    if found not in (1, channels):
        raise ModelError(
            f"channels: '{name}' reads {channels} channels (or grey, repeated), received images "
            f"of {found}; set channels = {channels}"
        )
    if min(height, width) < stride:
        raise ModelError(
            f"image_size: '{name}' reads images of at least {stride} x {stride} pixels, received "
            f"{height} x {width}; set image_size = {stride} or more"
        )


def _check_reads_images(config: Any, name: str) -> None:
    mapping = require("transformers", "images").MODEL_MAPPING
    model = mapping.get(type(config), None)
    if getattr(model, "main_input_name", None) != "pixel_values" or not hasattr(config, "num_channels"):
        raise ModelError(
            f"backbone: '{name}' is of the type '{config.model_type}', which does not read images alone; "
            f"give an image checkpoint such as 'microsoft/resnet-18'"
        )


def _read_prepare(name: str, channels: int) -> PrepareImages:
    """Read how the checkpoint wants its pixels from ``preprocessor_config.json``."""
    settings = read_preprocessor(name)
    mean, std = IMAGENET if channels == 3 else ((0.5,), (0.5,))
    if not settings.get("do_normalize", True):
        mean, std = (0.0,), (1.0,)
    return PrepareImages(
        channels,
        _numbers(settings.get("image_mean") or mean),
        _numbers(settings.get("image_std") or std),
        float(settings.get("rescale_factor", 1 / 255)) if settings.get("do_rescale", True) else 1.0,
    )


def _numbers(values: Any) -> tuple[float, ...]:
    return tuple(float(value) for value in values) if isinstance(values, list | tuple) else (float(values),)
