"""Random views of pictures: the same picture cropped, mirrored and lit otherwise.

Chen, Kornblith, Norouzi, Hinton: *A Simple Framework for Contrastive Learning of Visual Representations*, ICML 2020,
https://arxiv.org/abs/2002.05709 (appendix A): crops, flips, brightness, contrast, saturation and grey, without hue and
blur. All are functions of uniform numbers that come with each picture, so that whoever draws these fixes the view.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

DRAWS = 8
"""Uniform numbers that a view of one picture takes."""

_GREY_SHARE = 0.2
"""How often a colour picture loses its colours."""

_LUMA = (0.299, 0.587, 0.114)
"""What red, green and blue add to how light a pixel is (ITU-R BT.601)."""


def view_of(pictures: Tensor, draws: Tensor, least_area: float, jitter: float) -> Tensor:
    """Return a random view of each picture, of the same shape.

    Args:
        pictures: ``(…, channels, height, width)``, in [0, 255].
        draws: ``(…, DRAWS)`` uniform numbers in [0, 1].
        least_area: share of a picture that a crop shows at least, in (0, 1].
        jitter: by how much of themselves brightness, contrast and saturation may change, in [0, 1].

    >>> picture = torch.arange(4.0).view(1, 1, 2, 2)
    >>> view_of(picture, torch.full((1, DRAWS), 0.0), least_area=1.0, jitter=0.0)
    tensor([[[[1., 0.],
              [3., 2.]]]])
    """
    flat = pictures.flatten(0, -4).to(torch.float32)
    mirrored, area, left, top, *light = draws.flatten(0, -2).unbind(-1)
    shown = _cropped(flat, mirrored < 0.5, least_area + (1 - least_area) * area, left, top)
    return _lit(shown, light, jitter).view(pictures.shape)


def _cropped(pictures: Tensor, mirrored: Tensor, area: Tensor, left: Tensor, top: Tensor) -> Tensor:
    """Return a window of each picture at its size, resampled; positions are shares of the room there is."""
    side, nothing = area.sqrt(), torch.zeros_like(area)
    across = torch.stack([torch.where(mirrored, -side, side), nothing, (1 - side) * (2 * left - 1)], -1)
    down = torch.stack([nothing, side, (1 - side) * (2 * top - 1)], -1)
    grid = functional.affine_grid(torch.stack([across, down], 1), list(pictures.shape), align_corners=False)
    return functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


def _lit(pictures: Tensor, light: list[Tensor], jitter: float) -> Tensor:
    """Change brightness, contrast and saturation; some colour pictures lose their colours."""
    brightness, contrast, saturation = (1 + jitter * (2 * one.view(-1, 1, 1, 1) - 1) for one in light[:3])
    lit = (pictures * brightness).clamp(0, 255)
    mean = lit.mean((1, 2, 3), keepdim=True)
    lit = (mean + contrast * (lit - mean)).clamp(0, 255)
    if pictures.shape[1] != len(_LUMA):
        return lit
    grey = sum(share * lit[:, [channel]] for channel, share in enumerate(_LUMA))
    saturation = torch.where(light[3].view(-1, 1, 1, 1) < _GREY_SHARE, 0, saturation)
    return (grey + saturation * (lit - grey)).clamp(0, 255)
