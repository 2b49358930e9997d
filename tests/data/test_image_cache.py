import numpy as np
import pytest

from data.makers import png
from headstart.data import image_cache, images


@pytest.fixture
def small_sets_too(monkeypatch):
    monkeypatch.setattr(image_cache, "SMALLEST", 1)


def test_a_second_decoding_reads_the_first(small_sets_too, image_cache_folder, monkeypatch):
    encoded = [png(i) for i in range(5)]
    first, _, _ = images.decode_images(encoded, (8, 8), 1)
    assert len(list(image_cache_folder.glob("*.npy"))) == 1
    monkeypatch.setattr(images, "_decode_all", lambda *_: pytest.fail("decoded again"))
    again, readable, errors = images.decode_images(encoded, (8, 8), 1)
    assert np.array_equal(first, again)
    assert readable.tolist() == [0, 1, 2, 3, 4]
    assert not errors


def test_other_content_or_size_is_another_entry(small_sets_too, image_cache_folder):
    for encoded, size in (([png(1)], (8, 8)), ([png(2)], (8, 8)), ([png(1)], (4, 4))):
        images.decode_images(encoded, size, 1)
    assert len(list(image_cache_folder.glob("*.npy"))) == 3


def test_a_broken_entry_is_decoded_again(small_sets_too, image_cache_folder):
    images.decode_images([png(9)], (8, 8), 1)
    (entry,) = image_cache_folder.glob("*.npy")
    entry.write_bytes(entry.read_bytes()[:100])
    assert (images.decode_images([png(9)], (8, 8), 1)[0] == 9).all()


def test_a_set_with_broken_images_is_not_kept(small_sets_too, image_cache_folder):
    images.decode_images([png(1), b"x"], (8, 8), 1)
    assert not image_cache_folder.exists()


def test_a_disk_that_refuses_is_no_error(small_sets_too, image_cache_folder):
    image_cache_folder.parent.parent.mkdir(parents=True, exist_ok=True)
    image_cache_folder.parent.write_text("a file where the folder should be")
    assert images.decode_images([png(4)], (8, 8), 1)[0].shape == (1, 1, 8, 8)
