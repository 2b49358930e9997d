import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from headstart.models.preprocessing import PrepareImages, PrepareVectors

IMAGES = npst.arrays(np.uint8, npst.array_shapes(min_dims=4, max_dims=4, max_side=4))


@given(IMAGES)
def test_one_mean_stands_for_all_channels(images: np.ndarray) -> None:
    prepared = PrepareImages(images.shape[1], (0.5,), (0.25,))(torch.from_numpy(images))
    np.testing.assert_allclose(prepared, (images / 255 - 0.5) / 0.25, atol=1e-5)


def test_each_channel_has_its_own_mean_and_deviation() -> None:
    prepared = PrepareImages(3, (0.0, 0.5, 1.0), (1.0, 0.5, 0.25))(torch.full((1, 3, 1, 1), 255).byte())
    assert prepared.flatten().tolist() == [1.0, 1.0, 0.0]


def test_grey_is_repeated() -> None:
    grey = torch.arange(4, dtype=torch.uint8).view(1, 1, 2, 2)
    prepared = PrepareImages(3, (0.1, 0.2, 0.3), (1.0,))(grey)
    colour = PrepareImages(3, (0.1, 0.2, 0.3), (1.0,))(grey.repeat(1, 3, 1, 1))
    assert torch.equal(prepared, colour)


def test_another_scale() -> None:
    assert PrepareImages(1, scale=1.0)(torch.full((1, 1, 1, 1), 7).byte()).item() == 7.0


@given(IMAGES)
def test_vectors_of_images_are_scaled_and_flat(images: np.ndarray) -> None:
    vectors = PrepareVectors()(torch.from_numpy(images))
    np.testing.assert_allclose(vectors, images.reshape(len(images), -1) / 255, atol=1e-6)


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=5))
def test_tables_pass_unchanged(row: list[float]) -> None:
    assert PrepareVectors()(torch.tensor([row])).tolist() == [row]


def test_what_is_prepared_is_not_written_to() -> None:
    table, image = torch.ones(2, 3), torch.full((1, 1, 2, 2), 9).byte()
    PrepareVectors()(table).add_(1)
    PrepareImages(1)(image)
    assert table.tolist() == torch.ones(2, 3).tolist()
    assert image.unique().tolist() == [9]
