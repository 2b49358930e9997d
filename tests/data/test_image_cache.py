import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from data.makers import deep_png, png
from headstart.core.checked import add_checksum
from headstart.data import PixelSettings
from headstart.data.image_cache import ImageCache
from headstart.data.images import decode_images

ONE_IMAGE = 64 + 128 + 16
"""Bytes of an array of one image of 8x8 pixels, of its header, and of its checksum."""


@pytest.fixture
def cache(tmp_path: Path) -> ImageCache:
    """A cache that keeps small sets too."""
    return ImageCache(tmp_path / "images", smallest=1)


def test_a_second_decoding_reads_the_first(cache: ImageCache) -> None:
    encoded = [png(i) for i in range(5)]
    changed = 100 + decode_images(encoded, (8, 8), 1, cache=cache).pixels
    (entry,) = cache.folder.iterdir()
    np.save(entry, changed)
    add_checksum(entry, entry.name)
    again = decode_images(encoded, (8, 8), 1, cache=cache)
    assert np.array_equal(again.pixels, changed)
    assert again.readable.tolist() == [0, 1, 2, 3, 4]
    assert not again.errors


@pytest.mark.parametrize(("value", "size"), [(2, (8, 8)), (1, (4, 4))])
def test_other_content_or_size_is_another_entry(cache: ImageCache, value: int, size: tuple[int, int]) -> None:
    decode_images([png(1)], (8, 8), 1, cache=cache)
    decode_images([png(value)], size, 1, cache=cache)
    assert len(list(cache.folder.iterdir())) == 2


@pytest.mark.parametrize("settings", [PixelSettings(background="black"), PixelSettings(range=(0, 9))])
def test_other_rules_of_conversion_are_another_entry(cache: ImageCache, settings: PixelSettings) -> None:
    decode_images([png(1)], (8, 8), 1, cache=cache)
    decode_images([png(1)], (8, 8), 1, settings, cache)
    assert len(list(cache.folder.iterdir())) == 2


def test_the_range_of_all_images_is_part_of_an_entrys_name(cache: ImageCache) -> None:
    images = [deep_png(np.full((8, 8), value)) for value in (900, 4000)]
    alone = decode_images(images[:1], (8, 8), 1, cache=cache).pixels
    both = decode_images(images, (8, 8), 1, cache=cache).pixels
    again = decode_images(images, (8, 8), 1, cache=cache).pixels
    assert (alone[0, 0, 0, 0], both[0, 0, 0, 0], again[0, 0, 0, 0]) == (224, 56, 56)


def cut(entry: Path) -> None:
    entry.write_bytes(entry.read_bytes()[:100])


def flip(entry: Path) -> None:
    content = bytearray(entry.read_bytes())
    content[-30] ^= 1
    entry.write_bytes(content)


def turn_into_a_folder(entry: Path) -> None:
    entry.unlink()
    entry.mkdir()


@pytest.mark.parametrize("damage", [cut, flip, turn_into_a_folder])
def test_a_broken_entry_is_decoded_again(cache: ImageCache, damage: Callable[[Path], None]) -> None:
    decode_images([png(9)], (8, 8), 1, cache=cache)
    (entry,) = cache.folder.iterdir()
    damage(entry)
    assert (decode_images([png(9)], (8, 8), 1, cache=cache).pixels == 9).all()


def test_a_set_with_broken_images_is_not_kept(cache: ImageCache) -> None:
    decode_images([png(1), b"x"], (8, 8), 1, cache=cache)
    assert not cache.folder.exists()


def test_a_small_set_is_not_kept(tmp_path: Path) -> None:
    decode_images([png(1)], (8, 8), 1, cache=ImageCache(tmp_path / "images"))
    assert not list(tmp_path.iterdir())


def test_a_disk_that_refuses_is_no_error(cache: ImageCache) -> None:
    cache.folder.write_text("a file where the folder should be")
    assert decode_images([png(4)], (8, 8), 1, cache=cache).pixels.shape == (1, 1, 8, 8)


def test_what_was_unused_for_longest_is_evicted(tmp_path: Path) -> None:
    cache = ImageCache(tmp_path, smallest=1, capacity=2 * ONE_IMAGE)
    cache.keep("old", np.zeros((1, 1, 8, 8), np.uint8))
    cache.keep("used", np.zeros((1, 1, 8, 8), np.uint8))
    os.utime(tmp_path / "old.npy", (1, 1))
    os.utime(tmp_path / "used.npy", (0, 0))
    assert cache.find("used", (1, 1, 8, 8)) is not None
    kept = cache.keep("new", np.full((1, 1, 8, 8), 3, np.uint8))
    assert {path.stem for path in tmp_path.iterdir()} == {"new", "used"}
    assert (kept == 3).all()


def test_the_cache_lies_where_the_user_says(image_cache_folder: Path) -> None:
    assert ImageCache().folder == image_cache_folder
