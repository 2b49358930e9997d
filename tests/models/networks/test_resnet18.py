import pytest
from torch import nn

from headstart.core.errors import ModelError
from headstart.models import ModelSpec, build
from headstart.models.network import Network

SPEC = ModelSpec(backbone="resnet-18")


@pytest.fixture(scope="module")
def network() -> Network:
    return build(SPEC, shape=(3, 32, 32), num_classes=1000, from_scratch=True, seed=0)[0]


def test_it_has_the_published_number_of_parameters(network: Network) -> None:
    assert sum(p.numel() for p in network.parameters()) == 11_689_512


def test_it_is_a_stem_and_four_stages_under_group_norm(network: Network) -> None:
    assert (network.depth, network.num_features) == (5, 512)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    assert sum(isinstance(module, nn.GroupNorm) for module in network.modules()) == 20


def test_grey_images_have_a_grey_stem() -> None:
    _, params = build(SPEC, shape=(1, 32, 32), num_classes=2, from_scratch=True, seed=0)
    assert params["blocks.0.embedder.convolution.weight"].shape == (64, 1, 7, 7)


def test_too_small() -> None:
    with pytest.raises(ModelError, match=r"image_size: 'resnet-18' .* at least 32 x 32 .* received 28 x 32"):
        build(SPEC, shape=(1, 28, 32), num_classes=2, from_scratch=True, seed=0)


def test_a_table() -> None:
    with pytest.raises(ModelError, match="'resnet-18' reads images, received a table of 13 columns"):
        build(SPEC, shape=(13,), num_classes=2, from_scratch=True, seed=0)
