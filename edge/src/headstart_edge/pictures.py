"""Picture files as the bytes that the study made of such pictures; what it could not make the same is refused.

Pillow is needed here alone. The rules are those of the study's ``data.pixels``, which come with the bundle: the colour
that transparent parts are laid over, and the range of grey values of more than 8 bits.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart_edge.errors import EdgeError
from headstart_edge.tensors import Array
from headstart_edge.words import visible

if TYPE_CHECKING:
    from PIL import Image

_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "PPM", "TIFF", "GIF", "JPEG2000")
"""Kinds of file that are read; of others some start programs, as PostScript does."""

_GREY = frozenset({"1", "L", "LA", "La"})
_COLOURS = frozenset({"P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV"})
_STRAIGHT = {"La": "LA", "RGBa": "RGBA"}
_WHITE = (255, 255, 255)


def read_picture(path: Path, spec: Mapping[str, Any]) -> Array:
    """Read a picture, turned as EXIF says: grey ``(height, width)`` or colours ``(height, width, 3)`` uint8.

    Args:
        path: of the file.
        spec: what the bundle says of an input; ``background`` and ``range`` decide as ``data.pixels`` did.

    Raises:
        EdgeError: it cannot be read, or the bundle has no rule for its mode.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise EdgeError(f"{path.name}: picture files need Pillow; pip install pillow") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of very many pixels, which the next line refuses
            with Image.open(path, formats=_FORMATS) as image:
                _check_size(image, spec, path.name)
                return np.asarray(_converted(image, spec, path.name))
    except EdgeError:
        raise
    except Exception as error:  # a broken file can make a decoder raise anything
        reason = "no picture" if isinstance(error, UnidentifiedImageError) else visible(str(error))[:200]
        raise EdgeError(
            f"{path.name}: must be a picture, received a file that cannot be read ({reason}); remove it"
        ) from None


def _check_size(image: Image.Image, spec: Mapping[str, Any], name: str) -> None:
    """Refuse a picture of another size before anything is decoded: a small file may hold very many pixels."""
    wanted = (spec["width"], spec["height"])
    if image.size not in (wanted, wanted[::-1]):
        raise EdgeError(
            f"{name}: must be a picture of {wanted[0]} x {wanted[1]} pixels and {spec['channels']} channels, received "
            f"one of {image.width} x {image.height}; bring it to that size first"
        )


def _converted(image: Image.Image, spec: Mapping[str, Any], name: str) -> Image.Image:
    from PIL import ImageOps

    deep = image.mode.startswith("I") or image.mode == "F"
    _check(image, deep, spec, name)
    colour, clear, key = tuple(spec.get("background") or _WHITE), image.has_transparency_data, image.info
    grey = (deep or image.mode in _GREY) and (not clear or len(set(colour)) == 1)
    image = ImageOps.exif_transpose(image)
    if deep:
        image = _scaled(image, spec["range"], key.get("transparency"))
    if clear:
        image = _composited(image, colour)
    return image.convert("L" if grey else "RGB")


def _check(image: Image.Image, deep: bool, spec: Mapping[str, Any], name: str) -> None:
    """Refuse what the study reads by a rule that needs all its pictures, or not at all."""
    if deep and (spec.get("range") is None or image.format in ("PPM", "JPEG2000")):
        raise EdgeError(
            f"{name}: must have 8 bits a pixel, or be a PNG and the bundle state a range, received mode {image.mode} "
            f"({image.format}) and range {spec.get('range')}; save it with 8 bits, or set data.pixels.range"
        )
    wide = not deep and any(";16" in str(tile[3]) for tile in getattr(image, "tile", ()))
    if wide or not (deep or image.mode in _GREY | _COLOURS):
        raise EdgeError(
            f"{name}: must be grey or RGB of 8 bits a channel, received mode {image.mode}"
            f"{' of 16 bits a channel' if wide else ''}; save it so"
        )


def _scaled(image: Image.Image, values_range: tuple[float, float], key: object) -> Image.Image:
    """Scale to 8 bits as the study does; the value that the file calls transparent becomes so."""
    from PIL import Image

    values = np.asarray(image).astype(np.float64)
    low, high = values_range
    grey = Image.fromarray(np.rint(255 * np.clip((values - low) / (high - low), 0, 1)).astype(np.uint8))
    if isinstance(key, int):
        grey.putalpha(Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8)))
    return grey


def _composited(image: Image.Image, colour: tuple[int, ...]) -> Image.Image:
    from PIL import Image

    image = image.convert(_STRAIGHT.get(image.mode, image.mode)).convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, (*colour, 255)), image)
