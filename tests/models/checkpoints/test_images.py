import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from headstart.core.errors import ModelError
from headstart.core.trees import Params
from headstart.models import ModelSpec, build
from headstart.models.checkpoints.images import IMAGENET
from headstart.models.model import cut_at
from headstart.models.network import Network
from headstart.models.preprocessing import PrepareImages
from tiny_networks import raw_inputs

SHAPE = (3, 32, 32)
Shape = tuple[int, ...]
MEAN, STD = IMAGENET


def built(path: Path | str, *, shape: tuple[int, ...] = SHAPE, from_scratch: bool = False) -> tuple[Network, Params]:
    return build(ModelSpec(backbone=str(path)), shape=shape, num_classes=2, from_scratch=from_scratch, seed=0)


@pytest.fixture
def copied(checkpoints: dict[str, Path], tmp_path: Path) -> Path:
    """A ResNet checkpoint that a test may damage."""
    return Path(shutil.copytree(checkpoints["resnet"], tmp_path / "resnet"))


@pytest.mark.parametrize(
    ("name", "depth"),
    [
        ("resnet", 3),
        ("regnet", 3),
        ("mobilenet_v1", 5),
        ("mobilenet_v2", 5),
        ("vit", 3),
        ("deit", 3),
        ("dinov2", 3),
        ("vit_msn", 3),
        ("convnext", 1),
    ],
)
@torch.no_grad()
def test_features_are_those_of_transformers(checkpoints: dict[str, Path], name: str, depth: int) -> None:
    import transformers

    network, params = built(checkpoints[name])
    pixels = network.prepare(raw_inputs(SHAPE))
    output = transformers.AutoModel.from_pretrained(checkpoints[name]).eval()(pixels)
    by_token = name in ("vit", "deit", "dinov2", "vit_msn")
    expected = output.last_hidden_state[:, 0] if by_token else output.pooler_output.flatten(1)
    features = cut_at(network, params, "head")[0].activations(raw_inputs(SHAPE))
    assert network.depth == depth
    torch.testing.assert_close(features, expected, atol=1e-5, rtol=1e-5)


def test_from_scratch_has_random_weights_and_group_norm(checkpoints: dict[str, Path]) -> None:
    trained, weights = built(checkpoints["resnet"])
    random, others = built(checkpoints["resnet"], from_scratch=True)
    norms = [module for module in random.modules() if isinstance(module, nn.BatchNorm2d)]
    stem = "blocks.0.embedder.convolution.weight"
    assert not norms
    assert random.name != trained.name
    assert weights[stem].shape == others[stem].shape
    assert not torch.equal(weights[stem], others[stem])
    assert torch.equal(others[stem], built(checkpoints["resnet"], from_scratch=True)[1][stem])


def test_the_name_is_that_of_the_function_not_of_the_directory(copied: Path, checkpoints: dict[str, Path]) -> None:
    name = built(checkpoints["resnet"])[0].name
    assert built(copied)[0].name == name
    edit_json(copied / "config.json", hidden_act="gelu")
    assert built(copied)[0].name != name


def test_the_name_follows_the_preparation(copied: Path) -> None:
    name = built(copied)[0].name
    (copied / "preprocessor_config.json").write_text('{"image_mean": [0, 0, 0]}')
    assert built(copied)[0].name != name


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (None, PrepareImages(3, MEAN, STD)),
        ({"image_mean": [0.5, 0.5, 0.5], "image_std": 0.25}, PrepareImages(3, (0.5, 0.5, 0.5), (0.25,))),
        ({"do_normalize": False}, PrepareImages(3)),
        (
            {"do_rescale": False, "image_mean": [1, 2, 3], "image_std": [1, 1, 1]},
            PrepareImages(3, (1.0, 2.0, 3.0), (1.0, 1.0, 1.0), scale=1.0),
        ),
        (
            {"rescale_factor": 0.5, "image_mean": None},
            PrepareImages(3, MEAN, STD, 0.5),
        ),
    ],
)
def test_pixels_are_prepared_as_the_checkpoint_says(
    copied: Path, settings: dict[str, object] | None, expected: PrepareImages
) -> None:
    if settings is not None:
        (copied / "preprocessor_config.json").write_text(json.dumps(settings))
    assert built(copied)[0].prepare == expected


def test_loading_is_silent_and_leaves_no_setting_behind(
    checkpoints: dict[str, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    from transformers.utils import logging

    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    built(checkpoints["vit"])
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before
    assert capfd.readouterr() == ("", "")


def test_batch_norm_statistics_are_loaded_and_never_train(checkpoints: dict[str, Path]) -> None:
    network, params = built(checkpoints["resnet"])
    statistics = [name for name in params if "running_" in name]
    assert statistics
    assert max(params[name].std() for name in statistics) > 0
    model, trainable = cut_at(network, params, "all")
    assert set(statistics) <= model.frozen.keys()
    assert not set(statistics) & trainable.keys()
    model.logits(trainable, raw_inputs(SHAPE))
    assert all(torch.equal(model.frozen[name], params[name]) for name in statistics)


# What a user may get wrong, each one line: setting, rule, value, way out.


@pytest.mark.parametrize("path", ["./none", "/none/here", "~/none", "a/b/c"])
def test_no_such_directory(path: str) -> None:
    with pytest.raises(ModelError, match=f"backbone: there is no directory '{path}'; give"):
        built(path)


def test_no_such_checkpoint_on_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match=r"cannot load .* 'nobody/nothing'.*local directory") as caught:
        built("nobody/nothing")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("from_scratch", [True, False])
def test_a_text_checkpoint(checkpoints: dict[str, Path], from_scratch: bool) -> None:
    with pytest.raises(ModelError, match="is of the type 'gpt2', which does not read images alone; give"):
        built(checkpoints["gpt2"], from_scratch=from_scratch)


def test_a_checkpoint_with_random_features(checkpoints: dict[str, Path]) -> None:
    with pytest.raises(ModelError, match="vit_mae' gives other features at every call"):
        built(checkpoints["vit_mae"])


@pytest.mark.parametrize("channels", [2, 4])
def test_wrong_channels(checkpoints: dict[str, Path], channels: int) -> None:
    message = rf"channels: .* reads 3 channels \(.*\), received images of {channels}; set channels = 3"
    with pytest.raises(ModelError, match=message):
        built(checkpoints["vit"], shape=(channels, 32, 32))


@pytest.mark.parametrize(("name", "least"), [("resnet", 8), ("regnet", 8), ("mobilenet_v2", 32), ("vit", 8)])
def test_images_smaller_than_the_stride(checkpoints: dict[str, Path], name: str, least: int) -> None:
    assert built(checkpoints[name], shape=(3, least, least))[0].num_features > 0
    with pytest.raises(ModelError, match=f"at least {least} x {least} pixels, received {least - 1} x 40"):
        built(checkpoints[name], shape=(3, least - 1, 40))


def test_a_size_that_the_network_itself_refuses(checkpoints: dict[str, Path]) -> None:
    with pytest.raises(ModelError, match=r"image_size: .* fails on images of shape \(3, 48, 48\) .*; try 32"):
        built(checkpoints["vit_mae"], shape=(3, 48, 48))


def test_a_table(checkpoints: dict[str, Path]) -> None:
    with pytest.raises(ModelError, match="reads images, received a table of 7 columns"):
        built(checkpoints["vit"], shape=(7,))


def test_an_empty_directory(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot load .*; give a local directory with config\.json"):
        built(tmp_path)


def test_an_unknown_architecture(copied: Path) -> None:
    edit_json(copied / "config.json", model_type="no_such_net")
    with pytest.raises(ModelError, match=r"cannot load the checkpoint .*no_such_net"):
        built(copied)


def test_a_broken_config(copied: Path) -> None:
    (copied / "config.json").write_text("{")
    with pytest.raises(ModelError, match="cannot load the checkpoint"):
        built(copied)


def test_pickled_weights_are_not_read(copied: Path) -> None:
    tensors = load_file(copied / "model.safetensors")
    (copied / "model.safetensors").unlink()
    torch.save(tensors, copied / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"cannot load the checkpoint .*safetensors"):
        built(copied)


def test_a_torn_weights_file(copied: Path) -> None:
    path = copied / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelError, match="cannot load the checkpoint"):
        built(copied)


def test_weights_of_another_shape(copied: Path) -> None:
    edit_json(copied / "config.json", embedding_size=4)
    with pytest.raises(ModelError, match="cannot load the checkpoint"):
        built(copied)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_weight_that_is_not_finite_is_named(copied: Path, bad: float) -> None:
    tree = load_file(copied / "model.safetensors")
    name = next(name for name in sorted(tree) if name.endswith("convolution.weight"))
    tree[name].view(-1)[0] = bad
    save_file(tree, copied / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=rf"all weights must be finite, .* in 1 of \d+ numbers of '.*{name[-20:]}'"):
        built(copied)


def test_missing_weights_are_not_replaced_by_random_ones(copied: Path) -> None:
    tensors = load_file(copied / "model.safetensors")
    gone = next(name for name in tensors if name.endswith("convolution.weight"))
    save_file({k: v for k, v in tensors.items() if k != gone}, copied / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks 1 weights of its architecture, such as .*convolution\.weight'"):
        built(copied)


def test_a_pooler_that_was_never_trained_is_left_out(tmp_path: Path) -> None:
    import transformers

    config = transformers.BeitConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=32,
        patch_size=8,
        use_mean_pooling=True,
    )
    transformers.BeitModel(config, add_pooling_layer=False).save_pretrained(tmp_path / "beit")
    network, params = built(tmp_path / "beit")
    assert network.num_features == 16
    assert not any("pooler" in name for name in params)


def test_trained_mobilenet(weights_folder: Path) -> None:
    network, params = built(weights_folder / "mobilenet_v1_050_imagenet", shape=(3, 64, 64))
    assert (network.depth, network.num_features) == (5, 512)
    assert network.prepare == PrepareImages(3, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), scale=0.00392156862745098)
    features = cut_at(network, params, "head")[0].activations(raw_inputs((3, 64, 64)))
    assert features.std(0).mean() > 0.1


def edit_json(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
