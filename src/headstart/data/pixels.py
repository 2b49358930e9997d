"""One picture's numbers as bytes of grey or RGB: every mode of Pillow by a stated rule, or refused."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from headstart.core.arrays import Array
from headstart.data.settings import PixelSettings, Range

Size = tuple[int, int]
"""Height and width in pixels."""

_ORIENTATION, _BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 0x0112, 258, 262, 339
_GREY = frozenset({"1", "L", "LA", "La"})
_COLOURS = frozenset({"P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV"})
_STRAIGHT = {"La": "LA", "RGBa": "RGBA"}
_BACKGROUNDS = {"white": (255, 255, 255), "black": (0, 0, 0)}


@dataclass(frozen=True)
class Header:
    """What a file says of its picture before anything is decoded.

    Attributes:
        mode: Pillow's.
        is_unsigned: whether it holds grey values from 0 to 65535.
        is_deep: whether it holds grey values of more than 8 bits, or fractions.
        is_wide: whether it has 16 bits a channel, of which Pillow reads the upper 8.
        is_clear: whether parts of it may be transparent.
        is_negative: whether the smallest value is white where Pillow leaves it so.
        is_scaled: whether the reader has brought values to 16 bits by the depth that the file states.
        has_frames: whether it has several frames.
        bits: that the file states for values of which it needs fewer than 16.
        refused: why it has no meaning here; "" where it has.
    """

    mode: str
    is_unsigned: bool
    is_deep: bool
    is_wide: bool
    is_clear: bool
    is_negative: bool
    is_scaled: bool
    has_frames: bool
    bits: int | None
    refused: str

    @classmethod
    def of(cls, image: Image.Image) -> Header:
        """Read an opened image."""
        mode, kind, tags = image.mode, image.format or "", getattr(image, "tag_v2", {})
        is_sixteen = mode.startswith("I;16") or (mode == "I" and kind in ("PNG", "PPM"))
        is_deep = is_sixteen or mode in ("I", "F")
        return cls(
            mode=mode,
            is_unsigned=is_sixteen,
            is_deep=is_deep,
            is_wide=not is_deep and any(";16" in str(tile[3]) for tile in getattr(image, "tile", ())),
            is_clear=image.has_transparency_data,
            is_negative=is_deep and tags.get(_PHOTOMETRIC) == 0,
            is_scaled=is_sixteen and kind in ("PPM", "JPEG2000"),
            has_frames=kind in ("GIF", "TIFF", "PNG", "WEBP") and bool(getattr(image, "is_animated", False)),
            bits=_stated_bits(tags) if is_sixteen else None,
            refused=_refused(mode, is_deep, tags),
        )

    def is_grey(self, pixels: PixelSettings) -> bool:
        """Say whether one channel holds all of it, the background behind it included."""
        red, green, blue = background(pixels)
        return (self.is_deep or self.mode in _GREY) and (not self.is_clear or red == green == blue)

    def range(self, pixels: PixelSettings) -> Range | None:
        """Return the values that become black and white; None where they do not depend on a range.

        A file that states its depth is scaled by it, unless the settings state a range.
        """
        if not self.is_deep:
            return None
        if self.is_scaled:
            return 0.0, 65535.0
        return (0.0, float(2**self.bits - 1)) if self.bits and pixels.range is None else pixels.range


def convert(image: Image.Image, header: Header, pixels: PixelSettings, channels: int) -> Image.Image:
    """Orient an image and bring it to bytes: mode ``L`` for one channel, ``RGB`` for three.

    Raises:
        ValueError: it holds values that are not finite.
    """
    key = image.info.get("transparency")
    image = ImageOps.exif_transpose(image)
    if header.is_deep:
        image = _scaled(image, header, pixels, key)
    if header.is_clear:
        image = _composited(image, background(pixels))
    return image.convert("L" if channels == 1 else "RGB")


def size_of(image: Image.Image) -> Size:
    """Return an image's height and width as EXIF turns it."""
    if image.format == "TIFF":  # whose reader turns it on loading
        image = ImageOps.exif_transpose(image)
        return image.height, image.width
    swaps = image.getexif().get(_ORIENTATION, 1) >= 5  # orientations 5 to 8 swap the sides
    return image.size if swaps else (image.height, image.width)


def extremes_of(image: Image.Image) -> Range:
    """Return an image's smallest and largest value: as the file holds them of grey, as bytes of colours."""
    values = _values(image) if Header.of(image).is_deep else np.asarray(image.convert("RGB"))
    return float(values.min()), float(values.max())


def background(pixels: PixelSettings) -> tuple[int, int, int]:
    """Return the background as red, green and blue.

    >>> background(PixelSettings(background="black")), background(PixelSettings(background=(9, 8, 7)))
    ((0, 0, 0), (9, 8, 7))
    """
    return _BACKGROUNDS[pixels.background] if isinstance(pixels.background, str) else pixels.background


def _values(image: Image.Image) -> Array:
    """Return a deep image's numbers as the file holds them.

    Raises:
        ValueError: some are not finite.
    """
    values = np.asarray(image).astype(np.float64)
    broken = int((~np.isfinite(values)).sum())
    if broken:
        raise ValueError(f"{broken} of its {values.size} values are not finite (mode {image.mode})")
    return values


def _scaled(image: Image.Image, header: Header, pixels: PixelSettings, key: object) -> Image.Image:
    """Scale a deep image to 8 bits; the value that the file calls transparent becomes so."""
    values = _values(image)
    low, high = header.range(pixels) or (0.0, 65535.0)
    shares = np.clip((values - low) / (high - low), 0, 1)
    grey = Image.fromarray(np.rint(255 * (1 - shares if header.is_negative else shares)).astype(np.uint8))
    if isinstance(key, int):
        grey.putalpha(Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8)))
    return grey


def _composited(image: Image.Image, colour: tuple[int, int, int]) -> Image.Image:
    image = image.convert(_STRAIGHT.get(image.mode, image.mode)).convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, (*colour, 255)), image)


def _stated_bits(tags: dict[int, object]) -> int | None:
    """Return a TIFF's bits per sample below 16; 16 bits may hold fewer."""
    stated = tags.get(_BITS)
    bits = stated[0] if isinstance(stated, tuple) else stated
    return bits if isinstance(bits, int) and bits < 16 else None


def _refused(mode: str, is_deep: bool, tags: dict[int, object]) -> str:
    if not is_deep and mode not in _GREY | _COLOURS:
        return f"of mode {mode}, which has no rule here"
    if not is_deep and 2 in np.atleast_1d(np.asarray(tags.get(_SAMPLE_FORMAT, 1))):
        return f"of signed 8-bit values, from -128 to 127 (mode {mode} would read them as 0 to 255)"
    return ""
