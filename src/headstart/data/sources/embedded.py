"""Data that comes with the package: real handwritten digits, and printed ones to pre-train on.

The digits are the 1,797 of the UCI set "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak 1998)
that scikit-learn ships. The glyphs are drawn with Pillow's own font, shifted, turned, scaled, blurred and
made noisy: the same ten classes in another domain.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pyarrow as pa
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from headstart.core import seeds
from headstart.core.arrays import Array
from headstart.data.sources.source import Source

FORM_STARTS = (0, 130, 256, 386, 516, 646, 776, 906, 1029, 1157, 1287, 1415, 1545, 1667)
"""Rows where a new form begins. Writers filled a form of about 130 digits, always in one order, which starts
with three times 0 to 9; the set does not name them, but the order shows where the next form starts."""

NUM_GLYPHS = 3000
_GLYPH_SEED = 0
_DIGITS = tuple("0123456789")


def digits() -> Source:
    """Return 1,797 handwritten digits, 8x8 grey, in their original order.

    Columns: ``label`` and ``form`` (which of 14 forms, so nearly which writer: the natural clients).

    >>> len(digits()), digits().pixels.shape
    (1797, (1797, 1, 8, 8))
    """
    from sklearn.datasets import load_digits

    data = load_digits()
    pixels = np.round(data.images * (255 / 16)).astype(np.uint8)[:, None]
    forms = np.searchsorted(FORM_STARTS, np.arange(len(pixels)), side="right")
    table = pa.table({"label": pa.array(data.target), "form": [f"form-{form:02d}" for form in forms]})
    return Source("digits", table, {"label": _DIGITS}, client_column="form", pixels=pixels)


@cache
def glyphs(count: int = NUM_GLYPHS, seed: int = _GLYPH_SEED) -> Source:
    """Draw ``count`` printed digits, 8x8 grey, equally many of each class; equal seeds draw equal pictures.

    >>> glyphs(20).pixels.shape
    (20, 1, 8, 8)
    """
    labels = np.arange(count) % len(_DIGITS)
    pixels = np.stack([_draw(str(label), seeds.numpy_generator(seed, "glyph", i)) for i, label in enumerate(labels)])
    return Source("glyphs", pa.table({"label": pa.array(labels)}), {"label": _DIGITS}, pixels=pixels[:, None])


def _draw(text: str, rng: np.random.Generator) -> Array:
    """Draw one digit large, distort it, and shrink it to 8x8."""
    canvas = Image.new("L", (64, 64), 0)
    font = _font(int(rng.integers(48, 66)))
    position = tuple(32 + rng.uniform(-4, 4, size=2))
    width = int(rng.integers(0, 3))
    ImageDraw.Draw(canvas).text(position, text, fill=255, font=font, anchor="mm", stroke_width=width)
    canvas = _distort(canvas, rng).filter(ImageFilter.GaussianBlur(rng.uniform(0, 3)))
    small = np.asarray(canvas.resize((8, 8), Image.Resampling.BOX), dtype=np.float64)
    noisy = small * rng.uniform(0.7, 1.3) + rng.normal(0, 12, size=small.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)


def _distort(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Turn, shear and stretch an image about its centre."""
    angle, shear = rng.uniform(-0.3, 0.3), rng.uniform(-0.4, 0.4)
    stretch = np.diag(rng.uniform(0.8, 1.25, size=2))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.array([[1, shear], [0, 1]]) @ stretch
    offset = 32 - matrix @ np.array([32, 32])
    coefficients = (*matrix[0], offset[0], *matrix[1], offset[1])
    return image.transform(image.size, Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR)
