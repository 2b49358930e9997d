import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from data.makers import encode, png
from headstart.core.errors import DataError
from headstart.data.images import decode_images, resize_pixels


def test_grey_stays_grey_and_one_colour_image_makes_all_rgb():
    assert decode_images([png(7), png(9)], None, None).pixels.shape == (2, 1, 8, 8)
    pixels = decode_images([png(7), png(9, mode="RGB")], None, None).pixels
    assert pixels.shape == (2, 3, 8, 8)
    assert (pixels[0] == 7).all()


def test_the_centre_of_the_shorter_side_is_cut_out():
    wide = np.zeros((8, 24), np.uint8)
    wide[:, 8:16] = 200
    pixels = decode_images([encode(Image.fromarray(wide), "PNG")], (4, 4), 1).pixels
    assert pixels.shape == (1, 1, 4, 4)
    assert (pixels[..., 1:3] == 200).all()


def test_exif_orientation_is_applied():
    image = Image.fromarray(np.array([[0, 255], [0, 255], [0, 255]], np.uint8))  # dark left, bright right
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise to see it
    pixels = decode_images([encode(image, "PNG", exif=exif)], None, None).pixels
    assert pixels.tolist() == [[[[0, 0, 0], [255, 255, 255]]]]


def test_sixteen_bit_grey_is_scaled_not_clipped():
    image = Image.fromarray(np.full((4, 4), 0x80FF, np.uint16))
    pixels = decode_images([encode(image, "PNG")], None, None).pixels
    assert pixels.shape[1] == 1
    assert (pixels == 0x80).all()


def test_sizes_that_differ_need_image_size():
    with pytest.raises(DataError, match=r"data\.image_size.*8x8 to 10x20"):
        decode_images([png(), png(size=(10, 20))], None, None)


def test_broken_images_are_named_and_the_others_kept(tmp_path):
    images = [png(1), b"no image", None, tmp_path / "absent.png", png(5), png(6)[:40]]
    found = decode_images(images, (8, 8), 1)
    assert found.readable.tolist() == [0, 4]
    assert found.pixels[:, 0, 0, 0].tolist() == [1, 5]
    assert found.errors[1] == "not an image"
    assert found.errors[2] == "there is no image"
    assert found.errors[3] == "file not found"
    assert set(found.errors) == {1, 2, 3, 5}


def test_no_readable_image_is_an_error():
    with pytest.raises(DataError, match="none of 2 images"):
        decode_images([b"x", b"y"], None, None)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 60))
def test_damaged_files_never_raise(noise, position):
    good = png(3, mode="RGB", kind="JPEG") if position % 2 else png(3)
    damaged = good[:position] + noise + good[position + len(noise) :]
    found = decode_images([damaged, good], (8, 8), 3)
    assert len(found.pixels) == len(found.readable) == 2 - len(found.errors)
    assert 1 in found.readable


def test_a_large_jpeg_is_decoded_at_a_fraction_and_still_right():
    gradient = np.tile(np.linspace(0, 255, 800, dtype=np.uint8), (800, 1))
    encoded = encode(Image.fromarray(gradient), "JPEG", quality=95)
    small = decode_images([encoded], (16, 16), 1).pixels[0, 0].astype(float)
    expected = np.asarray(Image.fromarray(gradient).resize((16, 16), Image.Resampling.BOX)).astype(float)
    assert np.abs(small - expected).max() < 4


def test_arrays_are_resized_the_same_way():
    pixels = np.arange(2 * 8 * 8, dtype=np.uint8).reshape(2, 1, 8, 8)
    assert resize_pixels(pixels, None, None) is pixels
    assert resize_pixels(pixels, (4, 4), 3).shape == (2, 3, 4, 4)
