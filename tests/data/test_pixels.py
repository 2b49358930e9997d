"""Every mode of Pillow against a reference written without the code under test."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from data.makers import colour_png, deep_png, encode
from headstart.core.errors import DataError
from headstart.data import PixelSettings
from headstart.data.images import Decoded, decode_images
from headstart.data.pixels import Header

SHAPE = (4, 4)
RAMP = np.arange(16, dtype=np.uint8).reshape(SHAPE) * 17
"""Grey values from 0 to 255."""
ALPHA = np.where(np.indices(SHAPE).sum(0) % 2, 0, 128).astype(np.uint8)


def _decoded(encoded: bytes, **settings: Any) -> Decoded:
    found = decode_images([encoded], None, None, PixelSettings(**settings))
    assert not found.errors
    return found


def _over(values: Any, alpha: Any, ground: float) -> np.ndarray[Any, Any]:
    share = np.asarray(alpha) / 255
    return np.asarray(values) * share + ground * (1 - share)


def _rgb(shift: int = 0) -> np.ndarray[Any, Any]:
    return np.stack([RAMP, RAMP.T, np.roll(RAMP, 1 + shift)], -1)


def _with_alpha(mode: str) -> Image.Image:
    grey = Image.fromarray(RAMP)
    image = grey if mode == "LA" else Image.fromarray(_rgb())
    image.putalpha(Image.fromarray(ALPHA))
    return image


def _paletted() -> Image.Image:
    """Index i has the grey of RAMP's place i, from the palette."""
    image = Image.fromarray(np.arange(16, dtype=np.uint8).reshape(SHAPE), mode=None)
    image = Image.frombytes("P", SHAPE, image.tobytes())
    image.putpalette([int(value) for grey in RAMP.ravel() for value in (grey, grey, grey)])
    return image


CLEAR = np.where(RAMP[1, 2] == RAMP, 255, RAMP)
"""The ramp on white where the sixth value is transparent."""

EIGHT_BITS = {
    "1": (encode(Image.fromarray(RAMP > 100)), np.where(RAMP > 100, 255, 0)[None]),
    "L": (encode(Image.fromarray(RAMP)), RAMP[None]),
    "L with a transparent value": (encode(Image.fromarray(RAMP), transparency=int(RAMP[1, 2])), CLEAR[None]),
    "LA": (encode(_with_alpha("LA")), _over(RAMP, ALPHA, 255)[None]),
    "P": (encode(_paletted()), np.stack([RAMP] * 3)),
    "P with a transparent index": (encode(_paletted(), transparency=6), np.stack([CLEAR] * 3)),
    "P with alpha of each index": (
        encode(_paletted(), transparency=bytes(ALPHA.ravel())),
        np.stack([_over(RAMP, ALPHA, 255)] * 3),
    ),
    "GIF with a transparent index": (encode(_paletted(), "GIF", transparency=6), np.stack([CLEAR] * 3)),
    "RGB": (encode(Image.fromarray(_rgb())), _rgb().transpose(2, 0, 1)),
    "RGBA": (encode(_with_alpha("RGBA")), _over(_rgb().transpose(2, 0, 1), ALPHA, 255)),
    "RGBA as WebP": (
        encode(_with_alpha("RGBA"), "WEBP", lossless=True, exact=True),
        _over(_rgb().transpose(2, 0, 1), ALPHA, 255),
    ),
    "CMYK as TIFF": (
        encode(Image.frombytes("CMYK", SHAPE, np.stack([*[255 - RAMP] * 3, 0 * RAMP], -1).tobytes()), "TIFF"),
        np.stack([RAMP] * 3),
    ),
}


@pytest.mark.parametrize("name", EIGHT_BITS)
def test_eight_bits_are_what_a_viewer_shows(name: str) -> None:
    encoded, expected = EIGHT_BITS[name]
    pixels = _decoded(encoded).pixels[0]
    assert pixels.shape == expected.shape
    np.testing.assert_allclose(pixels, expected, atol=1)


def test_cmyk_jpegs_are_not_inverted() -> None:
    black = Image.new("CMYK", (16, 16), (0, 0, 0, 255))
    white = Image.new("CMYK", (16, 16), (0, 0, 0, 0))
    found = decode_images([encode(black, "JPEG"), encode(white, "JPEG")], None, None)
    np.testing.assert_allclose(found.pixels.mean((1, 2, 3)), [0, 255], atol=3)


@pytest.mark.parametrize(
    ("ground", "expected"), [("white", (255, 255, 255)), ("black", (0, 0, 0)), ((10, 20, 30), (10, 20, 30))]
)
def test_transparent_parts_show_the_background(ground: Any, expected: tuple[int, int, int]) -> None:
    clear = encode(Image.new("RGBA", SHAPE, (200, 0, 0, 0)))
    assert _decoded(clear, background=ground).pixels[0, :, 0, 0].tolist() == list(expected)


def test_black_ink_on_a_transparent_ground_is_the_same_in_every_mode() -> None:
    """The case that led here: alpha was dropped, and every picture became black."""
    ink = np.where(np.indices((8, 8)).sum(0) % 3 == 0, 255, 0).astype(np.uint8)
    grey = Image.fromarray(255 - ink)
    clear = Image.new("RGBA", (8, 8))
    clear.putalpha(Image.fromarray(ink))
    index = Image.frombytes("P", (8, 8), (ink // 255).tobytes())
    index.putpalette([0] * 6)
    cmyk = Image.merge("CMYK", [Image.new("L", (8, 8))] * 3 + [Image.fromarray(ink)])
    encoded = [encode(grey), encode(clear), encode(index, transparency=0), encode(cmyk, "TIFF"), encode(clear, "WEBP")]
    found = decode_images(encoded, None, None)
    np.testing.assert_array_equal(found.pixels, np.broadcast_to(255 - ink, (5, 3, 8, 8)))


def test_a_grey_picture_on_a_coloured_ground_has_three_channels() -> None:
    encoded = encode(_with_alpha("LA"))
    assert _decoded(encoded).pixels.shape[1] == 1
    assert _decoded(encoded, background=(0, 0, 9)).pixels.shape[1] == 3


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_sixteen_bit_files_are_scaled_by_the_bits_they_need(bits: int) -> None:
    values = np.linspace(0, 2**bits - 1, 16).round().reshape(SHAPE)
    found = _decoded(deep_png(values))
    np.testing.assert_allclose(found.pixels[0, 0], values * 255 / (2**bits - 1), atol=0.51)
    assert found.settings.range == (0, 2**bits - 1)


def test_intensities_of_different_images_keep_their_proportions() -> None:
    dim, bright = np.full(SHAPE, 500), np.full(SHAPE, 4000)
    found = decode_images([deep_png(dim), deep_png(bright)], None, None)
    assert found.pixels[:, 0, 0, 0].tolist() == [31, 249]


def test_a_transparent_value_of_sixteen_bits_shows_the_background() -> None:
    encoded = encode(Image.fromarray(np.array([[0, 4095], [2000, 1]], np.uint16)), transparency=1)
    assert _decoded(encoded).pixels[0, 0].tolist() == [[0, 255], [125, 255]]


@pytest.mark.parametrize(("kind", "options"), [("PPM", {}), ("JPEG2000", {"irreversible": False}), ("TIFF", {})])
def test_other_files_of_sixteen_bits(kind: str, options: dict[str, Any]) -> None:
    values = np.linspace(0, 65535, 1024).round().astype(np.uint16).reshape(32, 32)
    pixels = _decoded(encode(Image.fromarray(values), kind, **options)).pixels[0, 0]
    np.testing.assert_allclose(pixels, values / 257, atol=1)


def test_a_pgm_is_scaled_by_the_depth_it_states() -> None:
    pgm = b"P5\n2 1\n4095\n" + np.array([100, 200], ">u2").tobytes()
    assert _decoded(pgm).pixels.ravel().tolist() == [6, 12]


def test_a_tiff_that_counts_from_white_is_turned_round() -> None:
    values = np.array([[0, 65535]], np.uint16)
    assert _decoded(encode(Image.fromarray(values), "TIFF", tiffinfo={262: 0})).pixels.ravel().tolist() == [255, 0]


@pytest.mark.parametrize("kind", [2, 6])
def test_colours_of_sixteen_bits_keep_the_upper_eight(kind: int) -> None:
    values = np.full((2, 2, 3 if kind == 2 else 4), 0xFFFF)
    values[..., 0] = 0x80FF
    found = _decoded(colour_png(values, kind))
    assert found.pixels[0, :, 0, 0].tolist() == [0x80, 255, 255]
    assert found.converted[0].how == "the upper 8 bits kept"


@pytest.mark.parametrize("kind", [2, 4, 6])
def test_twelve_bits_a_channel_are_refused(kind: int) -> None:
    values = np.full((2, 2, {2: 3, 4: 2, 6: 4}[kind]), 4000)
    with pytest.raises(DataError, match=r"data\.image: .*1 images of mode RGBA? with 16 bits a channel.*4095.*8 bits"):
        decode_images([colour_png(values, kind)], None, None)


def test_the_first_of_several_frames_is_taken_and_said() -> None:
    first, second = Image.fromarray(RAMP), Image.fromarray(255 - RAMP)
    encoded = encode(first, "TIFF", save_all=True, append_images=[second])
    found = _decoded(encoded)
    np.testing.assert_array_equal(found.pixels[0, 0], RAMP)
    assert [one.how for one in found.converted] == ["the first frame taken"]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animation_is_its_first_frame(kind: str) -> None:
    frames = [Image.fromarray(np.full((8, 8, 3), value, np.uint8)) for value in (200, 40, 90)]
    found = _decoded(encode(frames[0], kind, save_all=True, append_images=frames[1:]))
    np.testing.assert_allclose(found.pixels[0], 200, atol=2)
    assert "the first frame taken" in [one.how for one in found.converted]


@pytest.mark.parametrize("mode", ["LA", "I;16", "F"])
@pytest.mark.parametrize(("orientation", "quarters"), [(3, 2), (6, -1)])
def test_exif_turns_every_mode(mode: str, orientation: int, quarters: int) -> None:
    wide = np.array([[0.0, 1.0, 0.25]])
    images = {
        "LA": Image.merge("LA", [Image.fromarray((wide * 255).astype(np.uint8)), Image.new("L", (3, 1), 255)]),
        "I;16": Image.fromarray((wide * 65535).astype(np.uint16)),
        "F": Image.fromarray(wide.astype(np.float32)),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = _decoded(encode(images[mode], "TIFF" if mode == "F" else "PNG", exif=exif)).pixels[0, 0]
    np.testing.assert_allclose(pixels, np.rot90(wide, quarters) * 255, atol=1)


def test_a_mode_without_a_rule_is_refused_by_name() -> None:
    encoded = [encode(Image.new("LAB", SHAPE), "TIFF"), encode(Image.fromarray(RAMP))]
    with pytest.raises(DataError, match=r"data\.image: .*received 1 of 2 of mode LAB.*grey or RGB"):
        decode_images(encoded, None, None)


def test_signed_bytes_are_refused_by_name() -> None:
    encoded = encode(Image.fromarray(RAMP), "TIFF", tiffinfo={339: 2})
    with pytest.raises(DataError, match=r"signed 8-bit values, from -128 to 127"):
        decode_images([encoded], None, None)


def test_values_that_are_not_finite_make_an_image_unreadable() -> None:
    broken = RAMP / np.float32(255)
    broken[0, :2] = np.nan, np.inf
    encoded = [encode(Image.fromarray(value.astype(np.float32)), "TIFF") for value in (broken, RAMP / 255)]
    found = decode_images(encoded, None, None)
    assert found.errors == {0: "2 of its 16 values are not finite (mode F)"}
    np.testing.assert_array_equal(found.pixels[0, 0], RAMP)


def test_a_header_is_read_without_decoding() -> None:
    with Image.open(io.BytesIO(deep_png(np.zeros((2, 3))))) as image:
        header = Header.of(image)
        assert image.tile
    assert (header.mode, header.is_deep, header.is_clear) == ("I;16", True, False)
