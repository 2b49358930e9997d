"""Transformers image checkpoints, by Hub name or local directory, as backbones. Only safetensors are read."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from headstart.core.content import hash_json
from headstart.core.errors import ModelError, require
from headstart.models.families import family_of
from headstart.models.network import Network
from headstart.models.normalization import use_group_norm
from headstart.models.preprocessing import PrepareImages, Shape
from headstart.models.spec import ModelSpec

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation per channel, where a checkpoint does not say its own."""

# Parts of a configuration that do not change the function from pixels to features.
NOT_THE_FUNCTION = frozenset(
    {"_name_or_path", "architectures", "dtype", "id2label", "label2id", "torch_dtype", "transformers_version"}
)


def build_checkpoint(spec: ModelSpec, shape: Shape, num_classes: int, *, from_scratch: bool) -> Network:
    """Build a checkpoint's backbone: with its weights, or from its configuration with random ones, GroupNorm.

    Raises:
        ModelError: no such checkpoint, not one for images, or inputs that it cannot read.
        MissingExtra: Transformers is not installed.
    """
    name = spec.backbone
    with _explained(name), _quiet():
        config = _read_config(name)
        _check_reads_images(config, name)
        check_shape(config, shape, name)
        backbone = random_backbone(config) if from_scratch else _load_backbone(name, config)
        prepare = _read_prepare(name, int(config.num_channels))
    return as_network(backbone, prepare, shape, num_classes, name)


def random_backbone(config: Any) -> nn.Module:
    """Build a configuration's backbone with random weights and GroupNorm."""
    auto = require("transformers", "images").AutoModel
    backbone: nn.Module = auto.from_config(config, **family_of(config.model_type).options)
    use_group_norm(backbone)
    return backbone


def as_network(backbone: Any, prepare: PrepareImages, shape: Shape, num_classes: int, name: str) -> Network:
    """Take a backbone apart into blocks, and measure its features on one image.

    Raises:
        ModelError: the backbone fails on images of this shape, or is random.
    """
    blocks = nn.Sequential(*family_of(backbone.config.model_type).blocks(backbone)).eval()
    image = prepare(torch.arange(math.prod(shape)).remainder(256).to(torch.uint8).view(1, *shape))
    try:
        with torch.no_grad():
            features, again = blocks(image), blocks(image)
    except (RuntimeError, ValueError, IndexError, AttributeError, TypeError) as error:
        size = getattr(backbone.config, "image_size", None) or "a larger one"
        raise ModelError(
            f"image_size: '{name}' fails on images of shape {shape} ({_first_line(error)}); try {size}"
        ) from error
    if not torch.equal(features, again):
        raise ModelError(
            f"backbone: '{name}' gives other features at every call (random masking?), so none can be kept; "
            f"take another checkpoint"
        )
    return Network(
        list(blocks),
        num_features=features.shape[1],
        num_classes=num_classes,
        prepare=prepare,
        name=_function_name(backbone, prepare),
    )


def check_shape(config: Any, shape: Shape, name: str) -> None:
    """Check that a network reads inputs of this shape.

    Raises:
        ModelError: the inputs are no images, have the wrong number of channels, or are too small.
    """
    if len(shape) != 3:
        raise ModelError(
            f"backbone: '{name}' reads images, received a table of {shape[0]} columns; take 'linear' or 'mlp'"
        )
    channels, height, width = shape
    if channels not in (1, config.num_channels):
        raise ModelError(
            f"channels: '{name}' reads {config.num_channels} channels (or grey, repeated), received images "
            f"of {channels}; set channels = {config.num_channels}"
        )
    stride = family_of(config.model_type).stride(config)
    if min(height, width) < stride:
        raise ModelError(
            f"image_size: '{name}' reads images of at least {stride} x {stride} pixels, received "
            f"{height} x {width}; set image_size = {stride} or more"
        )


def _read_config(name: str) -> Any:
    transformers = require("transformers", "images")
    if not Path(name).is_dir() and _looks_like_a_path(name):
        raise ModelError(f"backbone: there is no directory '{name}'; give an existing one, or a Hub name")
    return transformers.AutoConfig.from_pretrained(name, **_source(name))


def _load_backbone(name: str, config: Any) -> nn.Module:
    transformers = require("transformers", "images")
    backbone, report = transformers.AutoModel.from_pretrained(
        name,
        dtype=torch.float32,
        use_safetensors=True,
        output_loading_info=True,
        **_source(name),
        **family_of(config.model_type).options,
    )
    missing = sorted(report["missing_keys"])
    # A pooler that the checkpoint never trained: the mean of the last hidden state is taken instead.
    if missing and all(key.startswith("pooler.") for key in missing):
        backbone.pooler = None
    elif missing:
        raise ModelError(
            f"backbone: the checkpoint '{name}' lacks {len(missing)} weights of its architecture, such as "
            f"'{missing[0]}'; they would be random: give a complete checkpoint"
        )
    result: nn.Module = backbone
    return result


def _source(name: str) -> dict[str, bool]:
    """Never run a checkpoint's own code, and never ask the network about a local directory."""
    return {"local_files_only": Path(name).is_dir(), "trust_remote_code": False}


def _looks_like_a_path(name: str) -> bool:
    return name.startswith((".", "/", "~")) or name.count("/") != 1 or "\\" in name


def _check_reads_images(config: Any, name: str) -> None:
    mapping = require("transformers", "images").MODEL_MAPPING
    model = mapping.get(type(config), None)
    if getattr(model, "main_input_name", None) != "pixel_values" or not hasattr(config, "num_channels"):
        raise ModelError(
            f"backbone: '{name}' is of the type '{config.model_type}', which does not read images alone; "
            f"give an image checkpoint such as 'microsoft/resnet-18'"
        )


def _read_prepare(name: str, channels: int) -> PrepareImages:
    """Read how the checkpoint wants its pixels from ``preprocessor_config.json``."""
    settings = _read_preprocessor(name)
    mean, std = IMAGENET if channels == 3 else ((0.5,), (0.5,))
    if not settings.get("do_normalize", True):
        mean, std = (0.0,), (1.0,)
    return PrepareImages(
        channels,
        _numbers(settings.get("image_mean") or mean),
        _numbers(settings.get("image_std") or std),
        float(settings.get("rescale_factor", 1 / 255)) if settings.get("do_rescale", True) else 1.0,
    )


def _read_preprocessor(name: str) -> dict[str, Any]:
    hub = require("transformers.utils", "images")
    path = hub.cached_file(
        name,
        "preprocessor_config.json",
        local_files_only=Path(name).is_dir(),
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    settings: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8")) if path else {}
    return settings


def _numbers(values: Any) -> tuple[float, ...]:
    return tuple(float(value) for value in values) if isinstance(values, list | tuple) else (float(values),)


def _function_name(backbone: Any, prepare: PrepareImages) -> str:
    """Name the architecture and the preparation by content, not by where the checkpoint lies."""
    config = {key: value for key, value in backbone.config.to_dict().items() if key not in NOT_THE_FUNCTION}
    modules = sorted({type(module).__name__ for module in backbone.modules()})
    digest = hash_json([json.loads(json.dumps(config, default=str)), modules, repr(prepare)])
    return f"{backbone.config.model_type}-{digest[:12]}"


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn what Transformers raises on a bad checkpoint into one line."""
    safetensors_error = require("safetensors", "images").SafetensorError
    try:
        yield
    except (OSError, ValueError, RuntimeError, KeyError, ImportError, safetensors_error) as error:
        raise ModelError(
            f"backbone: cannot load the checkpoint '{name}': {_first_line(error)}; give a local directory "
            f"with config.json and model.safetensors, or the Hub name of one"
        ) from error


def _first_line(error: BaseException) -> str:
    return next((line.strip().rstrip(".") for line in str(error).splitlines() if line.strip()), type(error).__name__)


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back the reports that Transformers prints on loading: a dropped classifier is what we want."""
    logging = require("transformers.utils.logging", "images")
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
