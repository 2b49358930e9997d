"""Encoded pictures to arrays of one size, in threads; decoded once, then kept on disk by content."""

from __future__ import annotations

import hashlib
import io
import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from headstart.core.arrays import Array
from headstart.core.content import fingerprint
from headstart.core.errors import DataError
from headstart.data.image_cache import ImageCache

Encoded = bytes | Path | None
"""A PNG, JPEG, … as bytes or as the path of a file; None where there is none."""
Size = tuple[int, int]
"""Height and width in pixels."""
Result = TypeVar("Result")

_CHUNK = 64
_GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "F"})


def decode_images(
    images: Sequence[Encoded], size: Size | None, channels: int | None, cache: ImageCache | None = None
) -> tuple[Array, Array, dict[int, str]]:
    """Decode images to bytes of pixels.

    The orientation that EXIF states is applied; the image is scaled until it covers ``size`` and its centre
    is cut out (shorter side to the side of the square); alpha is dropped; 16-bit grey is scaled to 8.

    Args:
        images: encoded images.
        size: height and width; None when all have the same.
        channels: 1 or 3; None means 1 if all images are grey, else 3.
        cache: of decoded images; the user's when None.

    Returns:
        pixels ``(readable, channels, height, width)`` uint8; the indices of the readable images; and the
        reason for each unreadable one.

    Raises:
        DataError: no ``size`` is given and the images differ, or none can be read.
    """
    if size is None or channels is None:
        size, channels = _common_format(images, size, channels)
    shape = (len(images), channels, *size)
    cache = cache or ImageCache()
    decoded = cache.find(key := _key(images, shape), shape)
    if decoded is not None:
        return decoded, np.arange(len(images)), {}
    pixels, errors = _decode_all(images, shape)
    if not errors:
        return cache.keep(key, pixels), np.arange(len(images)), {}
    readable = np.setdiff1d(np.arange(len(images)), list(errors))
    return pixels[readable], readable, errors


def resize_pixels(pixels: Array, size: Size | None, channels: int | None) -> Array:
    """Bring decoded images ``(examples, channels, height, width)`` to a size and a number of channels."""
    size, channels = size or pixels.shape[2:], channels or pixels.shape[1]
    if pixels.shape[1:] == (channels, *size):
        return pixels
    images = (Image.fromarray(row[0] if len(row) == 1 else row.transpose(1, 2, 0)) for row in pixels)
    return np.stack([_to_array(image, size, channels) for image in images])


def _decode_all(images: Sequence[Encoded], shape: tuple[int, ...]) -> tuple[Array, dict[int, str]]:
    pixels = np.zeros(shape, dtype=np.uint8)
    size = (shape[2], shape[3])

    def decode(index: int) -> str | None:
        try:
            with _open(images[index]) as image:
                # A large JPEG decodes at a fraction of its size.
                image.draft(None, (2 * max(size), 2 * max(size)))
                pixels[index] = _to_array(image, size, shape[1])
        except Exception as error:  # a broken file can make a decoder raise anything
            return _reason(error)
        return None

    reasons = _in_threads(decode, range(len(images)))
    return pixels, {index: reason for index, reason in enumerate(reasons) if reason}


def _to_array(image: Image.Image, size: Size, channels: int) -> Array:
    """Orient, convert, scale and crop one image to ``(channels, height, width)``."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    image = image.convert("L" if channels == 1 else "RGB")
    height, width = size
    if image.size != (width, height):
        image = ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR)
    array = np.asarray(image)
    return array[None] if channels == 1 else array.transpose(2, 0, 1)


def _common_format(images: Sequence[Encoded], size: Size | None, channels: int | None) -> tuple[Size, int]:
    """Read the headers alone, to find the one size and whether all are grey."""
    headers = [header for header in _in_threads(_header, images) if header]
    if not headers:
        raise DataError(f"data.image: none of {len(images)} images can be read; check the image column or the files")
    sizes = {header[0] for header in headers}
    if size is None and len(sizes) > 1:
        (height, width), (other_height, other_width) = sorted(sizes)[0], sorted(sizes)[-1]
        raise DataError(
            f"data.image_size: needed because the images differ in size, from {width}x{height} to "
            f"{other_width}x{other_height} pixels; set it, for example to 64"
        )
    return size or sizes.pop(), channels or (1 if all(grey for _, grey in headers) else 3)


def _header(image: Encoded) -> tuple[Size, bool] | None:
    """Return (height, width) as EXIF turns it, and whether the image is grey."""
    try:
        with _open(image) as opened:
            turned = opened.getexif().get(0x0112, 1) >= 5  # orientations 5 to 8 swap the sides
            width, height = opened.size[::-1] if turned else opened.size
            return (height, width), opened.mode in _GREY_MODES
    except Exception:  # as above; decoding will say why
        return None


def _open(image: Encoded) -> Image.Image:
    if image is None:
        raise ValueError("there is no image")
    return Image.open(io.BytesIO(image) if isinstance(image, bytes) else image)


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "file not found"
    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    return (str(error).splitlines() or [type(error).__name__])[0]


def _key(images: Sequence[Encoded], shape: tuple[int, ...]) -> str:
    """Name the decoded array by the encoded bytes and the shape wanted."""
    digest = hashlib.sha256(f"{shape} Pillow {Image.__version__}".encode())  # type: ignore[attr-defined]
    for part in _in_threads(_fingerprint, images):
        digest.update(part)
    return digest.hexdigest()[:32]


def _fingerprint(image: Encoded) -> bytes:
    try:
        content = image.read_bytes() if isinstance(image, Path) else image or b""
    except OSError:
        content = b""
    return fingerprint(content)


def _in_threads(function: Callable[[Any], Result], items: Sequence[Any]) -> list[Result]:
    """Map in threads, a chunk at a time: decoding and hashing release Python's lock."""
    chunks = [items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK)]
    with warnings.catch_warnings(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        warnings.simplefilter("ignore")  # Pillow's on odd metadata and very large images
        done = pool.map(lambda chunk: [function(item) for item in chunk], chunks)
        return [result for chunk in done for result in chunk]
