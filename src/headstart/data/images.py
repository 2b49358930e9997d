"""Encoded pictures to arrays of one size, in threads; decoded once, then kept on disk by content."""

from __future__ import annotations

import hashlib
import io
import os
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from headstart.core.arrays import Array
from headstart.core.content import fingerprint
from headstart.core.errors import DataError
from headstart.core.limits import check_memory, memory_limit
from headstart.data.account import Converted
from headstart.data.image_cache import ImageCache
from headstart.data.intensities import Found, column_range, conversions
from headstart.data.pictures import one_by_one, open_picture
from headstart.data.pixels import Header, Size, background, convert, extremes_of, size_of
from headstart.data.settings import PixelSettings

Encoded = bytes | Path | None
"""A PNG, JPEG, … as bytes or as the path of a file; None where there is none."""
Result = TypeVar("Result")

_CHUNK = 64
_RULES = 2
"""Of conversion; an array that was decoded by other rules is not read again."""


@dataclass(frozen=True, eq=False)
class Decoded:
    """Pictures as bytes, and how they became so.

    Attributes:
        pixels: ``(readable, channels, height, width)`` uint8.
        readable: indices of the images that could be read.
        errors: the reason for each that could not.
        settings: by which they were converted, with the range that holds for all of them.
        converted: what was done to how many.
    """

    pixels: Array
    readable: Array
    errors: dict[int, str]
    settings: PixelSettings
    converted: tuple[Converted, ...]


def decode_images(
    images: Sequence[Encoded],
    size: Size | None,
    channels: int | None,
    settings: PixelSettings | None = None,
    cache: ImageCache | None = None,
) -> Decoded:
    """Decode images to bytes of pixels.

    The orientation that EXIF states is applied; transparent parts are laid over the background; more than 8 bits are
    scaled by one range for all images (see ``intensities.column_range``); of several frames the first is taken; the
    image is scaled until it covers ``size`` and its centre is cut out (shorter side to the side of the square).

    Args:
        images: encoded images.
        size: height and width; None when all have the same.
        channels: 1 or 3; None means 1 if all images are grey, else 3.
        settings: range and background; None takes the defaults.
        cache: of decoded images; the user's when None.

    Raises:
        DataError: no ``size`` is given and the images differ, none can be read, or a mode or its values have no rule.
    """
    settings, stated = settings or PixelSettings(), bool(settings and settings.range)
    headers = _in_threads(lambda image: _read(image, Header.of), images)
    channels = _common_format(headers, channels, settings)
    size = size or _common_size(images)
    check_memory(
        "data.image_size",
        f"{len(images)} pictures of {size[1]} x {size[0]} pixels",
        len(images) * channels * size[0] * size[1],
        "set a smaller one",
    )
    found = _extremes(images, headers)
    settings = column_range(found, settings)
    converted = conversions(headers, found, settings, is_stated=stated)
    pixels, errors = _cached(images, (len(images), channels, *size), settings, cache or ImageCache())
    readable = np.setdiff1d(np.arange(len(images)), list(errors))
    return Decoded(pixels[readable] if errors else pixels, readable, errors, settings, converted)


def resize_pixels(pixels: Array, size: Size | None, channels: int | None) -> Array:
    """Bring decoded images ``(examples, channels, height, width)`` to a size and a number of channels."""
    size, channels = size or pixels.shape[2:], channels or pixels.shape[1]
    if pixels.shape[1:] == (channels, *size):
        return pixels
    images = (Image.fromarray(row[0] if len(row) == 1 else row.transpose(1, 2, 0)) for row in pixels)
    return np.stack([_fitted(image.convert("L" if channels == 1 else "RGB"), size) for image in images])


def _cached(
    images: Sequence[Encoded], shape: tuple[int, ...], settings: PixelSettings, cache: ImageCache
) -> tuple[Array, dict[int, str]]:
    """Return what an earlier decoding left, or decode; only a set without errors is kept."""
    decoded = cache.find(key := _key(images, shape, settings), shape)
    if decoded is not None:
        return decoded, {}
    pixels, errors = _decode_all(images, shape, settings)
    return (pixels if errors else cache.keep(key, pixels)), errors


def _decode_all(
    images: Sequence[Encoded], shape: tuple[int, ...], settings: PixelSettings
) -> tuple[Array, dict[int, str]]:
    pixels = np.zeros(shape, dtype=np.uint8)
    size = (shape[2], shape[3])

    @one_by_one
    def fitted(image: Image.Image) -> Array:
        header = Header.of(image)
        # A large JPEG decodes at a fraction of its size.
        image.draft(None, (2 * max(size), 2 * max(size)))
        return _fitted(convert(image, header, settings, shape[1]), size)

    def decode(index: int) -> str | None:
        try:
            with _open(images[index]) as image:
                pixels[index] = fitted(image)
        except Exception as error:  # as in reading
            return _reason(error)
        return None

    reasons = _in_threads(decode, range(len(images)))
    return pixels, {index: reason for index, reason in enumerate(reasons) if reason}


def _fitted(image: Image.Image, size: Size) -> Array:
    """Scale and crop an image of mode L or RGB to ``(channels, height, width)``."""
    height, width = size
    if image.size != (width, height):
        image = ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR)
    array = np.asarray(image)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def _common_format(headers: Sequence[Header | None], channels: int | None, settings: PixelSettings) -> int:
    """Return how many channels hold all images: one where all are grey.

    Raises:
        DataError: none can be read, or some are of a mode without a rule.
    """
    known = _readable(headers)
    refused = Counter(header.refused for header in known if header.refused)
    if refused:
        (why, count), *_ = refused.most_common()
        raise DataError(
            f"data.image: must be images of grey or colour, received {count} of {len(known)} {why}; save them as "
            "grey or RGB"
        )
    return channels or (1 if all(header.is_grey(settings) for header in known) else 3)


def _readable(found: Sequence[Result | None]) -> list[Result]:
    known = [one for one in found if one is not None]
    if not known:
        raise DataError(f"data.image: none of {len(found)} images can be read; check the image column or the files")
    return known


def _common_size(images: Sequence[Encoded]) -> Size:
    """Return the one size that all images have."""
    read = one_by_one(size_of)
    sizes = set(_readable(_in_threads(lambda image: _read(image, read), images)))
    if len(sizes) == 1:
        return sizes.pop()
    (height, width), (other_height, other_width) = sorted(sizes)[0], sorted(sizes)[-1]
    raise DataError(
        f"data.image_size: needed because the images differ in size, from {width}x{height} to "
        f"{other_width}x{other_height} pixels; set it, for example to 64"
    )


def _extremes(images: Sequence[Encoded], headers: Sequence[Header | None]) -> Found:
    """Read the smallest and largest value of each image whose conversion depends on those of all."""
    asked = [i for i, header in enumerate(headers) if header and (header.is_deep or header.is_wide)]
    read = one_by_one(extremes_of)
    found = zip(asked, _in_threads(lambda index: _read(images[index], read), asked), strict=True)
    return {i: (header, values) for i, values in found if values and (header := headers[i])}


def _read(image: Encoded, read: Callable[[Image.Image], Result]) -> Result | None:
    """Return what can be read of an image that is opened; None if it is broken, and decoding will say why."""
    try:
        with _open(image) as opened:
            return read(opened)
    except Exception:  # a broken file can make a decoder raise anything
        return None


def _open(image: Encoded) -> Image.Image:
    if image is None:
        raise ValueError("there is no image")
    return open_picture(io.BytesIO(image) if isinstance(image, bytes) else _file(image))


def _file(path: Path) -> Path:
    """Return the path of a plain file that fits into memory.

    Raises:
        FileNotFoundError: it is none, but perhaps a pipe, for which nobody would ever stop waiting.
        ValueError: it is too long.
    """
    if not path.is_file():
        raise FileNotFoundError(path)
    if path.stat().st_size > memory_limit():
        raise ValueError(f"its file has {path.stat().st_size:,} bytes, more than may be read here")
    return path


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "file not found"
    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    return (str(error).splitlines() or [type(error).__name__])[0]


def _key(images: Sequence[Encoded], shape: tuple[int, ...], settings: PixelSettings) -> str:
    """Name the decoded array by the encoded bytes, the shape wanted and the rules of conversion."""
    rules = f"rules {_RULES} {settings.range} {background(settings)}"
    digest = hashlib.sha256(f"{shape} {rules} Pillow {Image.__version__}".encode())  # type: ignore[attr-defined]
    for part in _in_threads(_fingerprint, images):
        digest.update(part)
    return digest.hexdigest()[:32]


def _fingerprint(image: Encoded) -> bytes:
    try:
        content = _file(image).read_bytes() if isinstance(image, Path) else image or b""
    except (OSError, ValueError):
        content = b""
    return fingerprint(content)


def _in_threads(function: Callable[[Any], Result], items: Sequence[Any]) -> list[Result]:
    """Map in threads, a chunk at a time: decoding and hashing release Python's lock."""
    chunks = [items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK)]
    with warnings.catch_warnings(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        warnings.simplefilter("ignore")  # Pillow's on odd metadata and very large images
        done = pool.map(lambda chunk: [function(item) for item in chunk], chunks)
        return [result for chunk in done for result in chunk]
