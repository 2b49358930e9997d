"""Pictures changed by chance, as a function of numbers that were drawn beforehand.

Flips and shifted crops: He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition. CVPR 2016.
https://arxiv.org/abs/1512.03385 (section 4.2). Crops and colours: Chen, Kornblith, Norouzi, Hinton: A Simple Framework
for Contrastive Learning of Visual Representations. ICML 2020. https://arxiv.org/abs/2002.05709 (appendix A). One change
of many: Müller, Hutter: TrivialAugment. ICCV 2021. https://arxiv.org/abs/2103.10158.

Who draws the numbers by client, round and step has the same pictures on every engine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Augment = Literal["none", "flip", "flip-crop", "crop-color", "trivial"]
"""How pictures change: not; mirrored; mirrored and shifted; cut out and coloured; shifted and one of nine more."""


@dataclass(frozen=True)
class _Change:
    """A change of pictures ``(batch, channels, height, width)`` by draws ``(batch, num_draws)``."""

    num_draws: int
    apply: Callable[[Tensor, Tensor], Tensor]


def num_draws(augment: Augment) -> int:
    """Return how many numbers from 0 to 1 a picture's change takes.

    >>> num_draws("none"), num_draws("flip-crop")
    (0, 3)
    """
    return sum(change.num_draws for change in _CHANGES[augment])


def augmented(pictures: Tensor, draws: Tensor, augment: Augment) -> Tensor:
    """Return changed pictures of the same shape and type.

    Args:
        pictures: ``(…, channels, height, width)``, bytes in [0, 255] or floats.
        draws: uniform in [0, 1], ``(…, num_draws(augment))``.
        augment: what changes.

    >>> picture = torch.arange(3, dtype=torch.uint8).view(1, 1, 3)
    >>> augmented(picture, torch.tensor([0.2]), "flip")
    tensor([[[2, 1, 0]]], dtype=torch.uint8)
    """
    changed, start = pictures.reshape(-1, *pictures.shape[-3:]), 0
    for change in _CHANGES[augment]:
        own = draws[..., start : start + change.num_draws].reshape(-1, change.num_draws)
        changed, start = _as_before(change.apply(changed, own), pictures.dtype), start + change.num_draws
    return changed.view(pictures.shape)


def _as_before(pictures: Tensor, dtype: torch.dtype) -> Tensor:
    if pictures.dtype == dtype or dtype.is_floating_point:
        return pictures.to(dtype)
    return pictures.clamp(0, 255).round().to(dtype)


def _flip(pictures: Tensor, draws: Tensor) -> Tensor:
    """Mirror half of the pictures, left to right."""
    return torch.where(draws.view(-1, 1, 1, 1) < 0.5, pictures.flip(-1), pictures)


def _shift(pictures: Tensor, draws: Tensor) -> Tensor:
    """Move each picture by up to an eighth of its sides; what comes in at an edge is its mirror image."""
    for axis, own in ((-2, draws[:, 0]), (-1, draws[:, 1])):
        size = pictures.shape[axis]
        most = size // 8
        offsets = (own * (2 * most + 1)).floor().clamp_max(2 * most) - most
        places = torch.arange(size, device=own.device) + offsets.long().unsqueeze(1)
        places = (size - 1) - ((size - 1) - places.abs()).abs()
        places = places.view(-1, 1, size, 1) if axis == -2 else places.view(-1, 1, 1, size)
        pictures = torch.take_along_dim(pictures, places.expand(pictures.shape), axis)
    return pictures


def _cut_out(pictures: Tensor, draws: Tensor) -> Tensor:
    """Enlarge a part of each picture, of a fifth of its area to all of it, anywhere in it."""
    side = (0.2 + 0.8 * draws[:, 0]).sqrt()
    down, right = ((1 - side) * (2 * draws[:, axis] - 1) for axis in (1, 2))
    none = torch.zeros_like(side)
    return _warped(pictures, (side, none, right), (none, side, down))


def _jitter(pictures: Tensor, draws: Tensor) -> Tensor:
    """Change brightness, contrast and saturation by up to 40 percent each."""
    return _coloured(pictures, *(0.6 + 0.8 * draws).unbind(1))


def _one_of_nine(pictures: Tensor, draws: Tensor) -> Tensor:
    """Shear, move, turn or colour each picture in one way, or leave it."""
    which = (draws[:, 0] * 9).floor().clamp_max(8)
    size = draws[:, 1] * torch.where(draws[:, 2] < 0.5, -1, 1)

    def only(number: int, most: float) -> Tensor:
        return torch.where(which == number, most * size, 0)

    angle = only(1, math.pi / 6).double()
    cosine, sine = angle.cos().float(), angle.sin().float()
    across, along = (cosine, only(2, 0.3) - sine, only(3, 0.6)), (only(4, 0.3) + sine, cosine, only(5, 0.6))
    return _coloured(_warped(pictures, across, along), *(1 + only(number, 0.9) for number in (6, 7, 8)))


_Row = tuple[Tensor, Tensor, Tensor]


def _warped(pictures: Tensor, across: _Row, along: _Row) -> Tensor:
    """Read each picture where an affine map says, in halves of a side; beyond an edge is its mirror image."""
    x, y = (_centers(size, pictures.device) for size in (pictures.shape[-1], pictures.shape[-2]))
    # One operation, one rounding: a product of matrices would depend on how many pictures there are.
    maps = [
        (a.view(-1, 1, 1) * x.view(1, 1, -1) + b.view(-1, 1, 1) * y.view(1, -1, 1)) + c.view(-1, 1, 1)
        for a, b, c in (across, along)
    ]
    grid = torch.stack(maps, -1).to(torch.float32)
    return functional.grid_sample(
        pictures.to(torch.float32), grid, "bilinear", padding_mode="reflection", align_corners=False
    )


def _centers(size: int, device: torch.device) -> Tensor:
    return (2 * torch.arange(size, device=device) + 1) / size - 1


def _coloured(pictures: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor) -> Tensor:
    """Multiply each picture, its distance from its mean, and its distance from grey."""
    pictures = pictures.to(torch.float32) * brightness.view(-1, 1, 1, 1)
    mean = pictures.mean((1, 2, 3), keepdim=True)
    pictures = mean + (pictures - mean) * contrast.view(-1, 1, 1, 1)
    grey = pictures.mean(1, keepdim=True)
    return grey + (pictures - grey) * saturation.view(-1, 1, 1, 1)


_FLIP, _SHIFT = _Change(1, _flip), _Change(2, _shift)
_CHANGES: Mapping[Augment, tuple[_Change, ...]] = {
    "none": (),
    "flip": (_FLIP,),
    "flip-crop": (_FLIP, _SHIFT),
    "crop-color": (_FLIP, _Change(3, _cut_out), _Change(3, _jitter)),
    "trivial": (_FLIP, _SHIFT, _Change(3, _one_of_nine)),
}
