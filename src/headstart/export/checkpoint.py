"""Networks of Transformers: their configuration, and the code that makes a classifier of one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from headstart.core.errors import ModelError, require
from headstart.export.code import Code
from headstart.export.leaving import Leaving
from headstart.models.checkpoints.encoders import EXTRA
from headstart.models.checkpoints.encoders import FAMILIES as ENCODERS
from headstart.models.checkpoints.families import FAMILIES
from headstart.models.checkpoints.hub import located, quiet, read_config
from headstart.models.networks.resnet18 import resnet18_config
from headstart.models.normalization import use_group_norm
from headstart.models.spec import Pooling, is_checkpoint, is_own

NEAR = 1e-4
"""Of the largest number: by so much what is written may differ from the study's own."""

_BUILT_IN: Mapping[str, Callable[[int], Any]] = {"resnet-18": resnet18_config}

FEATURES: Mapping[str, Callable[[Any], Tensor]] = {
    "output.pooler_output.flatten(1)": lambda output: output.pooler_output.flatten(1),
    "output.last_hidden_state[:, 0]": lambda output: output.last_hidden_state[:, 0],
    "output.last_hidden_state.mean((-2, -1))": lambda output: output.last_hidden_state.mean((-2, -1)),
    "output.last_hidden_state.mean(1)": lambda output: output.last_hidden_state.mean(1),
}
"""Ways from what a backbone returns to its feature vector, as code and as a function."""

POOLED: Mapping[Pooling, tuple[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "mean": ("(states * mask).sum(1) / mask.sum(1)", lambda states, mask: (states * mask).sum(1) / mask.sum(1)),
    "cls": ("states[:, 0]", lambda states, _mask: states[:, 0]),
}
"""How states of tokens become a text's feature vector, as code and as a function."""


def config_of(leaving: Leaving) -> Any:
    """Return the configuration of a network that is of Transformers; None of another."""
    spec, shape = leaving.spec, leaving.examples.shape
    if is_checkpoint(spec) and not is_own(spec):
        with quiet():
            return read_config(located(spec.backbone, EXTRA))
    made = _BUILT_IN.get(spec.backbone)
    return made(shape[0]) if made else None


def options_of(config: Any) -> dict[str, Any]:
    """Return keywords with which Transformers builds the backbone that a study has."""
    family = ENCODERS.get(config.model_type) or FAMILIES.get(config.model_type)
    return dict(family.options) if family else {}


def backbone_of(leaving: Leaving, config: Any) -> nn.Module:
    """Build the backbone with the model's weights, as Transformers does it.

    Raises:
        ModelError: Transformers builds another network of this configuration.
    """
    backbone = require("transformers", EXTRA).AutoModel.from_config(config, **options_of(config))
    if _has_groups(leaving):
        use_group_norm(backbone)
    if _lacks_pooler(leaving, backbone):
        backbone.pooler = None
    names = leaving.network.names
    state = {names[name]: value for name, value in leaving.state.items() if name in names}
    try:
        backbone.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise ModelError(
            f"format: Transformers must build the network of '{leaving.spec.backbone}' anew, and builds another "
            f"({str(error).splitlines()[0]}); give --format onnx"
        ) from error
    result: nn.Module = backbone.eval()
    return result


def image_code(leaving: Leaving, config: Any) -> Code:
    """Return the code of a classifier of pictures."""
    backbone = backbone_of(leaving, config)
    call = "pixel_values=pixels" + (", interpolate_pos_encoding=True" if interpolates(backbone) else "")
    build = _module(
        leaving,
        config,
        backbone,
        "pixels",
        f"""\
        output = self.backbone({call})
        return self.head({features_of(leaving, backbone)})
""",
    )
    return Code(build=build, imports=(*_IMPORTS, "import math") if _has_groups(leaving) else _IMPORTS)


def text_code(leaving: Leaving, config: Any) -> Code:
    """Return the code of a classifier of texts."""
    backbone = backbone_of(leaving, config)
    build = _module(
        leaving,
        config,
        backbone,
        "input_ids, attention_mask",
        f"""\
        states = self.backbone(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(states.dtype)
        return self.head({POOLED[leaving.spec.pooling][0]})
""",
    )
    return Code(build=build, imports=_IMPORTS)


@torch.no_grad()
def features_of(leaving: Leaving, backbone: nn.Module) -> str:
    """Find how a backbone's output becomes the study's features, by trying: as code.

    Raises:
        ModelError: no known way gives them.
    """
    pixels = leaving.network.prepare(leaving.inputs[:4])
    own = leaving.module().network(leaving.inputs[:4], 0, leaving.network.depth)  # type: ignore[operator]
    extra = {"interpolate_pos_encoding": True} if interpolates(backbone) else {}
    output = backbone(pixel_values=pixels, **extra)
    for code, way in FEATURES.items():
        if (found := _tried(way, output)) is not None and is_near(found, own):
            return code
    raise ModelError(
        f"format: the features of '{leaving.spec.backbone}' must come of what Transformers returns, and no known way "
        "leads there; give --format onnx"
    )


def interpolates(backbone: nn.Module) -> bool:
    """Say whether a backbone can be told to fit its positions to the size of the pictures."""
    return "interpolate_pos_encoding" in inspect.signature(backbone.forward).parameters


def is_near(found: Tensor, own: Tensor) -> bool:
    """Say whether numbers are the same but for rounding."""
    return found.shape == own.shape and float((found - own).abs().max()) <= NEAR * max(1.0, float(own.abs().max()))


def _tried(way: Callable[[Any], Tensor], output: Any) -> Tensor | None:
    try:
        return way(output)
    except (AttributeError, IndexError, RuntimeError):
        return None


def _has_groups(leaving: Leaving) -> bool:
    """Say whether normalisation is by groups where the configuration says by batches."""
    return leaving.from_scratch and leaving.examples.kind == "image"


def _is_without_pooler(backbone: Any, config: Any) -> bool:
    return getattr(backbone, "pooler", 0) is None and "add_pooling_layer" not in options_of(config)


def _lacks_pooler(leaving: Leaving, backbone: Any) -> bool:
    has = getattr(backbone, "pooler", None) is not None and bool(list(backbone.pooler.parameters()))
    return has and not any(own.startswith("pooler.") for own in leaving.network.names.values())


_IMPORTS = ("from transformers import AutoConfig, AutoModel",)

_GROUPS = '''

def use_groups(module):
    """Normalise by groups where the configuration says by batches."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            width = child.num_features
            setattr(module, name, nn.GroupNorm(math.gcd(32, width, width // 2), width, child.eps))
        else:
            use_groups(child)
'''


def _module(leaving: Leaving, config: Any, backbone: Any, arguments: str, forward: str) -> str:
    options = "".join(f", {name}={value!r}" for name, value in options_of(config).items())
    lines = [
        "        super().__init__()",
        f"        self.backbone = AutoModel.from_config(AutoConfig.from_pretrained(HERE){options})",
        "        use_groups(self.backbone)" if _has_groups(leaving) else "",
        "        self.backbone.pooler = None" if _is_without_pooler(backbone, config) else "",
        f"        self.head = nn.Linear({leaving.network.num_features}, {leaving.network.num_classes})",
    ]
    init = "\n".join(line for line in lines if line)
    return (
        f"class Network(nn.Module):\n    def __init__(self):\n{init}\n\n"
        f"    def forward(self, {arguments}):\n{forward}{_GROUPS if _has_groups(leaving) else ''}\n\n"
        'def build():\n    """Return the network, its weights still random."""\n    return Network()\n'
    )
