"""The rule for a whole column: which intensities of its images become black and white, and what is said of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from headstart.core.errors import DataError
from headstart.data.account import Converted
from headstart.data.pixels import Header
from headstart.data.settings import PixelSettings, Range

_DEPTHS = (8, 10, 12, 16)
"""Bits that a column of 16-bit files may hold: the fewest that its largest value needs."""

Found = Mapping[int, tuple[Header, Range]]
"""Headers and smallest and largest values of the images that hold more than 8 bits, by index."""


def column_range(found: Found, pixels: PixelSettings) -> PixelSettings:
    """Return the settings with the one range that holds for all images of a column.

    A stated range holds. Else values from 0 to 65535 are scaled from the fewest of 8, 10, 12 or 16 bits that hold the
    largest value of all images; signed values and fractions only where all lie in 0..1 or in 0..255.

    Raises:
        DataError: the values have no rule, or a stated range meets files that are scaled already.
    """
    _check_wide([one for one in found.values() if one[0].is_wide])
    deep = [one for one in found.values() if one[0].is_deep]
    if pixels.range is not None:
        _check_unscaled([header for header, _ in deep])
        return pixels
    open_ones = [one for one in deep if one[0].range(pixels) is None]
    if not open_ones:
        return pixels
    if len({header.is_unsigned for header, _ in open_ones}) > 1:
        raise DataError(_unknown(open_ones, "of which none says how it relates to the others"))
    return replace(pixels, range=_by_rule(open_ones))


def conversions(
    headers: Sequence[Header | None], found: Found, pixels: PixelSettings, *, is_stated: bool
) -> tuple[Converted, ...]:
    """Say what was done to how many images; the values that a stated range clips among it."""
    said = Counter(one for header in headers if header for one in _conversions(header, pixels))
    if is_stated and pixels.range is not None:
        low, high = pixels.range
        outside = sum(one[0] < low or one[1] > high for header, one in found.values() if header.is_deep)
        said += Counter({("images with other values", f"clipped to {low:g} to {high:g}"): outside})
    return tuple(Converted(what, how, count) for (what, how), count in said.items())


def _by_rule(found: Sequence[tuple[Header, Range]]) -> Range:
    low, high = min(one[0] for _, one in found), max(one[1] for _, one in found)
    if found[0][0].is_unsigned:
        return 0.0, float(next(2**bits - 1 for bits in _DEPTHS if high < 2**bits))
    if low < 0 or high > 255:
        raise DataError(_unknown(found, "which says neither what is black nor what is white"))
    return (0.0, 1.0) if high <= 1 else (0.0, 255.0)


def _unknown(found: Sequence[tuple[Header, Range]], why: str) -> str:
    modes = " and ".join(sorted({header.mode for header, _ in found}))
    low, high = min(one[0] for _, one in found), max(one[1] for _, one in found)
    return (
        f"data.pixels.range: must be given for images of mode {modes}, received none; the values of {len(found)} "
        f"images run from {low:g} to {high:g}, {why}; set pixels = {{ range = [{low:g}, {high:g}] }}, or the range "
        "that you mean"
    )


def _check_unscaled(deep: Sequence[Header]) -> None:
    scaled = sum(header.is_scaled for header in deep)
    if scaled:
        raise DataError(
            f"data.pixels.range: must be left out for PGM and JPEG 2000 files, whose own depth scales them to 16 bits "
            f"({scaled} of {len(deep)} images of more than 8 bits); remove it, or save them as PNG or TIFF"
        )


def _check_wide(wide: Sequence[tuple[Header, Range]]) -> None:
    """Refuse colours of 16 bits that fill 12 at most: the upper 8 bits are all that is read of them."""
    if wide and max(high for _, (_, high) in wide) < 2**4:
        raise DataError(
            f"data.image: must fill 16 bits a channel or have 8, received {len(wide)} images of mode {wide[0][0].mode} "
            "with 16 bits a channel and no value above 4095, of which the upper 8 bits are nearly black; save them "
            "with 8 bits a channel, or as grey"
        )


def _conversions(header: Header, pixels: PixelSettings) -> Iterator[tuple[str, str]]:
    """Yield what kind of image it is, and what is done to that kind."""
    values, images = header.range(pixels), f"{header.mode} images"
    if values:
        negative = ", the smallest white" if header.is_negative else ""
        yield images, f"values {values[0]:g} to {values[1]:g} scaled to 0 to 255{negative}"
    if header.is_wide:
        yield f"{images} of 16 bits a channel", "the upper 8 bits kept"
    if header.mode == "CMYK":
        yield images, "turned to RGB without a colour profile"
    if header.is_clear:
        yield f"{images} with transparency", f"laid over {_colour(pixels)}"
    if header.has_frames:
        yield "images of several frames", "the first frame taken"


def _colour(pixels: PixelSettings) -> str:
    return pixels.background if isinstance(pixels.background, str) else str(list(pixels.background))
