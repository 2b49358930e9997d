"""How the backbones of Transformers come apart into blocks, one line per family."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True)
class _Family:
    """What is known of a family of networks.

    Attributes:
        blocks: takes a model apart, from the input up; the last block ends in a flat feature vector.
        stride: pixels of the input per position of the last feature map (or per patch), from the
            configuration; smaller images have nothing to show there.
        options: keywords of the model's constructor.
    """

    blocks: Callable[[Any], list[nn.Module]]
    stride: Callable[[Any], int] = lambda _config: 1
    options: dict[str, Any] = field(default_factory=dict)


class MeanPool(nn.Module):
    """Mean over height and width: ``(batch, channels, height, width)`` to ``(batch, channels)``."""

    def forward(self, hidden: Tensor) -> Tensor:
        """Average over all places."""
        return hidden.mean((-2, -1))


class _Embed(nn.Module):
    """A transformer's patch embedding, its positions interpolated to the size of the images."""

    def __init__(self, embeddings: nn.Module) -> None:
        super().__init__()
        self.embeddings = embeddings

    def forward(self, pixels: Tensor) -> Tensor:
        """Turn images into ``(batch, tokens, width)``."""
        result: Tensor = self.embeddings(pixels, interpolate_pos_encoding=True)
        return result


class ClassToken(nn.Module):
    """A transformer's feature vector: its first token."""

    def forward(self, hidden: Tensor) -> Tensor:
        """Turn ``(batch, tokens, width)`` into ``(batch, width)``."""
        return hidden[:, 0]


class Whole(nn.Module):
    """A backbone of no known family as one block: its pooled output, or the mean of its last states."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, pixels: Tensor) -> Tensor:
        """Turn images into ``(batch, features)``."""
        output = self.backbone(pixel_values=pixels)
        pooled: Tensor | None = getattr(output, "pooler_output", None)
        if pooled is not None:
            return pooled.flatten(1)
        hidden: Tensor = output.last_hidden_state
        return hidden.flatten(2).mean(2) if hidden.dim() == 4 else hidden.mean(1)


def family_of(model_type: str) -> _Family:
    """Return the family of a model type; an unknown one is a single block."""
    return FAMILIES.get(model_type, _Family(lambda model: [Whole(model)]))


def _residual(model: Any) -> list[nn.Module]:
    *stages, last = model.encoder.stages
    return [model.embedder, *stages, nn.Sequential(last, MeanPool())]


def _residual_stride(config: Any) -> int:
    stem_and_first = 8 if config.downsample_in_first_stage else 4
    return int(stem_and_first * 2 ** (len(config.depths) - 1))


def _regnet_stride(config: Any) -> int:
    return int(2 * 2 ** len(config.depths))


def _mobilenet_v1(model: Any) -> list[nn.Module]:
    return by_resolution([model.conv_stem, *model.layer, MeanPool()])


def _mobilenet_v2(model: Any) -> list[nn.Module]:
    return by_resolution([model.conv_stem, *model.layer, model.conv_1x1, MeanPool()])


def by_resolution(layers: Iterable[nn.Module]) -> list[nn.Module]:
    """Start a new block with every layer that halves the resolution."""
    groups: list[list[nn.Module]] = []
    for layer in layers:
        if any(isinstance(part, nn.Conv2d) and part.stride[0] > 1 for part in layer.modules()):
            groups.append([])
        groups[-1].append(layer)
    return [nn.Sequential(*group) for group in groups]


def _transformer(model: Any) -> list[nn.Module]:
    *layers, last = model.layers
    return [_Embed(model.embeddings), *layers, nn.Sequential(last, model.layernorm, ClassToken())]


def _dinov2(model: Any) -> list[nn.Module]:
    *layers, last = model.encoder.layer
    return [model.embeddings, *layers, nn.Sequential(last, model.layernorm, ClassToken())]


def _patch(config: Any) -> int:
    return int(config.patch_size)


# Classifiers of these transformers read the first token; a further pooler has no weights in most checkpoints.
NO_POOLER = {"add_pooling_layer": False}

FAMILIES: dict[str, _Family] = {
    "deit": _Family(_transformer, _patch, NO_POOLER),
    "dinov2": _Family(_dinov2, _patch),
    "mobilenet_v1": _Family(_mobilenet_v1, lambda _config: 32),
    "mobilenet_v2": _Family(_mobilenet_v2, lambda config: int(config.output_stride)),
    "regnet": _Family(_residual, _regnet_stride),
    "resnet": _Family(_residual, _residual_stride),
    "vit": _Family(_transformer, _patch, NO_POOLER),
    "vit_msn": _Family(_transformer, _patch),
}
"""By Transformers' ``model_type``."""
