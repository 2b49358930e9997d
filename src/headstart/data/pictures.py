"""Picture files, opened and not yet decoded: of kinds that start no program, and of no more pixels than fit."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

from PIL import Image

from headstart.core.limits import memory_limit

_KINDS = (
    "PNG",
    "JPEG",
    "MPO",
    "BMP",
    "DIB",
    "GIF",
    "WEBP",
    "TIFF",
    "PPM",
    "JPEG2000",
    "AVIF",
    "ICO",
    "TGA",
    "PCX",
    "SGI",
)
"""What Pillow reads by itself; for PostScript it would start Ghostscript."""

_BYTES_PER_PIXEL = 32
"""Memory that decoding and converting take at most: a value in four bytes, and several copies in eight."""


def open_picture(file: io.BytesIO | Path) -> Image.Image:
    """Open a picture.

    Raises:
        ValueError: it has more pixels than may be decoded.
        OSError: it is no picture of a kind that is read.
    """
    image = Image.open(file, formats=_formats())
    most = memory_limit() // _BYTES_PER_PIXEL
    if image.width * image.height > most:
        image.close()
        raise ValueError(
            f"a picture may have at most {most:,} pixels here, received {image.width:,} x {image.height:,}; make it "
            "smaller, or allow more with HEADSTART_MEMORY_GB"
        )
    return image


def is_large(image: Image.Image) -> bool:
    """Say whether a picture takes so much memory that no other should be decoded beside it."""
    return image.width * image.height * _BYTES_PER_PIXEL > memory_limit() // 16


@cache
def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(kind for kind in _KINDS if kind in Image.OPEN)
