"""The rule for a column: one range for all its images, stated or found, or a line that asks for one."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from data.makers import deep_png, encode, png
from headstart.core.errors import DataError
from headstart.data import PixelSettings
from headstart.data.images import decode_images


def _tiff(values: Any, kind: Any = np.float32) -> bytes:
    return encode(Image.fromarray(np.asarray([values], kind)), "TIFF")


def test_a_stated_range_holds_and_says_what_it_clips() -> None:
    images = [deep_png([[0, 1000, 2000]]), deep_png([[1500, 1500, 3000]])]
    found = decode_images(images, None, None, PixelSettings(range=(1000, 2000)))
    assert found.pixels[:, 0, 0].tolist() == [[0, 0, 255], [128, 128, 255]]
    assert [(one.what, one.how, one.count) for one in found.converted] == [
        ("I;16 images", "values 1000 to 2000 scaled to 0 to 255", 2),
        ("images with other values", "clipped to 1000 to 2000", 2),
    ]


def test_eight_bits_stay_as_they_are_beside_a_stated_range() -> None:
    found = decode_images([png(7), deep_png(np.full((8, 8), 4095))], None, None, PixelSettings(range=(0, 4095)))
    assert found.pixels[:, 0, 0, 0].tolist() == [7, 255]


@pytest.mark.parametrize(
    ("values", "expected"), [([0, 0.5, 1], [0, 128, 255]), ([0, 127.6, 255], [0, 128, 255]), ([0, 1, 2], [0, 1, 2])]
)
def test_fractions_from_0_to_1_or_to_255_have_a_rule(values: list[float], expected: list[int]) -> None:
    assert decode_images([_tiff(values)], None, None).pixels.ravel().tolist() == expected


@pytest.mark.parametrize(
    ("values", "kind", "words"),
    [
        ([-1000, 0, 3000], np.int32, "mode I, received none.*1 images run from -1000 to 3000"),
        ([0, 4095, 1], np.int32, "mode I, received none.*run from 0 to 4095"),
        ([-0.5, 0.5, 0], np.float32, r"mode F, received none.*run from -0\.5 to 0\.5"),
        ([0, 255.5, 0], np.float32, r"mode F, received none.*range = \[0, 255\.5\]"),
    ],
)
def test_signed_values_and_fractions_need_a_range(values: list[float], kind: Any, words: str) -> None:
    with pytest.raises(DataError, match=rf"data\.pixels\.range: must be given for images of {words}"):
        decode_images([_tiff(values, kind)], None, None)


def test_signed_values_are_scaled_by_a_stated_range() -> None:
    found = decode_images([_tiff([-1000, 0, 1000], np.int32)], None, None, PixelSettings(range=(-1000, 1000)))
    assert found.pixels.ravel().tolist() == [0, 128, 255]


def test_modes_that_say_nothing_of_each_other_need_a_range() -> None:
    images = [_tiff([0, 0.5, 1]), deep_png([[0, 1, 4095]])]
    with pytest.raises(DataError, match="mode F and I;16"):
        decode_images(images, None, None)


def test_files_that_were_scaled_already_take_no_range() -> None:
    pgm = b"P5\n2 1\n4095\n" + np.array([100, 200], ">u2").tobytes()
    with pytest.raises(DataError, match=r"data\.pixels\.range: must be left out for PGM"):
        decode_images([pgm], None, None, PixelSettings(range=(0, 4095)))


def test_a_tiff_of_twelve_bits_is_scaled_by_them() -> None:
    # Two values of 12 bits in three bytes, in a file whose header Pillow wrote for 16.
    encoded = bytearray(encode(Image.fromarray(np.array([[0, 0]], np.uint16)), "TIFF"))
    at = encoded.index(b"\x02\x01\x03\x00\x01\x00\x00\x00\x10\x00")  # BitsPerSample, one short: 16
    encoded[at + 8] = 12
    encoded[-4:] = bytes([0x10, 0x00, 0x80, 0x00])
    found = decode_images([bytes(encoded)], None, None)
    assert found.pixels.ravel().tolist() == [round(0x100 * 255 / 4095), round(0x080 * 255 / 4095)]
