"""Picture files, opened and not yet decoded: of kinds that start no program, and of no more pixels than fit."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TypeVar

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

_LARGE = 16
"""A picture that takes more than this part of the memory is decoded alone."""

Result = TypeVar("Result")


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


def one_by_one(read: Callable[[Image.Image], Result]) -> Callable[[Image.Image], Result]:
    """Let threads read large pictures one after the other, and small ones beside them."""
    lock = Lock()

    def in_turn(image: Image.Image) -> Result:
        is_large = image.width * image.height * _BYTES_PER_PIXEL > memory_limit() // _LARGE
        with lock if is_large else nullcontext():
            return read(image)

    return in_turn


@cache
def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(kind for kind in _KINDS if kind in Image.OPEN)
