import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.core.errors import ModelError
from headstart.models import ModelSpec, build
from headstart.models.model import cut_at


@given(st.integers(1, 5), st.integers(4, 40), st.integers(4, 40))
@settings(max_examples=20, deadline=None)
def test_any_channels_and_any_size_from_4_up(channels: int, height: int, width: int) -> None:
    shape = (channels, height, width)
    network, params = build(ModelSpec(), shape=shape, num_classes=2, from_scratch=True, seed=0)
    model, _ = cut_at(network, params, "head")
    features = model.activations(torch.zeros(2, *shape, dtype=torch.uint8))
    assert features.shape == (2, network.num_features) == (2, 32 * (height // 4) * (width // 4))


def test_its_layers() -> None:
    _, params = build(ModelSpec(), shape=(1, 28, 28), num_classes=10, from_scratch=True, seed=0)
    assert {name: tuple(value.shape) for name, value in params.items()} == {
        "blocks.0.0.weight": (16, 1, 3, 3),
        "blocks.0.0.bias": (16,),
        "blocks.1.0.weight": (32, 16, 3, 3),
        "blocks.1.0.bias": (32,),
        "head.weight": (10, 32 * 7 * 7),
        "head.bias": (10,),
    }


@pytest.mark.parametrize("shape", [(1, 3, 8), (3, 8, 3), (13,), (2, 8)])
def test_what_it_cannot_read(shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match="'small-cnn' reads images of at least 4 x 4 pixels") as caught:
        build(ModelSpec(), shape=shape, num_classes=2, from_scratch=True, seed=0)
    assert str(shape) in str(caught.value)
