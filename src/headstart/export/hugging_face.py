"""A folder that Transformers' own classes load, where they compute what the study's model computes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from headstart.core.errors import ModelError, require
from headstart.core.files import write_text
from headstart.core.task import TaskKind
from headstart.core.trees import Params
from headstart.data.examples import InputKind
from headstart.export.checkpoint import FEATURES, POOLED, backbone_of, config_of, features_of, interpolates, options_of
from headstart.export.leaving import Leaving
from headstart.export.meaning import preprocessing_of
from headstart.export.tried import Compared, compared, run
from headstart.models.checkpoints.encoders import EXTRA
from headstart.models.checkpoints.hub import quiet
from headstart.models.weights import load, save

_PROBLEMS: dict[TaskKind, str] = {
    "classification": "single_label_classification",
    "multilabel": "multi_label_classification",
    "regression": "regression",
    "survival": "regression",
}
"""What Transformers calls a task."""

_CLASSES: dict[InputKind, str] = {
    "image": "AutoModelForImageClassification",
    "text": "AutoModelForSequenceClassification",
}


Keywords = tuple[tuple[str, object], ...]


@dataclass(frozen=True)
class Classifier:
    """How a folder is loaded.

    Attributes:
        loads: the class of Transformers.
        whole: whether that is the whole model; else it is the backbone, and the head lies beside.
        extra: keywords of its call.
        options: keywords of loading it.
        features: lines of code that lead from a call, such as ``model(**inputs)``, to what the head reads.
    """

    loads: str
    whole: bool
    extra: Keywords = ()
    options: Keywords = ()
    features: Callable[[str], list[str]] = lambda _call: []


def write_classifier(leaving: Leaving, folder: Path) -> tuple[Classifier, Compared]:
    """Write a checkpoint: Transformers' own classifier where it gives the study's predictions, else backbone and head.

    Args:
        leaving: the model.
        folder: to write into.

    Returns:
        How it is loaded, and how near its predictions are.

    Raises:
        ModelError: the network is none of Transformers.
    """
    config = config_of(leaving)
    if config is None:
        raise ModelError(
            f"format: 'transformers' needs a network of Transformers, received '{leaving.spec.backbone}'; give "
            "--format state_dict, safetensors or onnx"
        )
    if leaving.from_scratch and any(isinstance(part, nn.GroupNorm) for part in leaving.network.modules()):
        raise ModelError(
            f"format: 'transformers' needs the normalisation of its own class, received '{leaving.spec.backbone}' "
            "trained from scratch, which is normalised by groups; give --format state_dict, safetensors or onnx"
        )
    with quiet():
        backbone = backbone_of(leaving, config)
        model = _whole(leaving, config, backbone)
        _write_reader(leaving, folder)
        if model is not None:
            return _write_whole(leaving, folder, model)
        return _write_backbone(leaving, folder, config, backbone)


def _write_whole(leaving: Leaving, folder: Path, model: Any) -> tuple[Classifier, Compared]:
    """Write Transformers' own classifier, and load it anew as a user does."""
    how = Classifier(_CLASSES[leaving.examples.kind], whole=True, extra=_extra(model))
    model.save_pretrained(folder)
    again = getattr(require("transformers", EXTRA), how.loads).from_pretrained(folder, local_files_only=True)
    return how, _compared(leaving, again, how)


def _write_backbone(leaving: Leaving, folder: Path, config: Any, backbone: Any) -> tuple[Classifier, Compared]:
    """Write a backbone and the head beside it, and load both anew."""
    backbone.save_pretrained(folder)
    head = {name: value for name, value in leaving.weights.items() if name.startswith("head.")}
    save(folder / "head.safetensors", {name.removeprefix("head."): value for name, value in head.items()})
    features = _of_texts(leaving) if leaving.examples.kind == "text" else _of_pictures(features_of(leaving, backbone))
    options = tuple(options_of(config).items())
    how = Classifier("AutoModel", whole=False, extra=_extra(backbone), options=options, features=features)
    auto = require("transformers", EXTRA).AutoModel
    again = auto.from_pretrained(folder, local_files_only=True, **dict(options))
    return how, _compared(leaving, _Headed(leaving, again, load(folder / "head.safetensors")[0]), how)


def _compared(leaving: Leaving, module: nn.Module, how: Classifier) -> Compared:
    scores = run(module.eval(), leaving, **dict(how.extra))
    return compared(leaving, leaving.network.loss.predictions(scores).double().numpy())


class _Headed(nn.Module):
    """A backbone and a linear head, joined as the card's snippet joins them."""

    def __init__(self, leaving: Leaving, backbone: Any, head: Params) -> None:
        super().__init__()
        self.backbone, self.head, self.pooling = backbone, head, leaving.spec.pooling
        self.code = "" if leaving.examples.kind == "text" else features_of(leaving, backbone.eval())

    def forward(self, *pixels: Tensor, **inputs: Any) -> Tensor:
        """Return scores."""
        output = self.backbone(*pixels, **inputs)
        if self.code:
            features = FEATURES[self.code](output)
        else:
            features = POOLED[self.pooling][1](output.last_hidden_state, inputs["attention_mask"].unsqueeze(-1))
        return features @ self.head["weight"].T + self.head["bias"]


def _of_texts(leaving: Leaving) -> Callable[[str], list[str]]:
    pooled = POOLED[leaving.spec.pooling][0]
    mask = 'mask = inputs["attention_mask"].unsqueeze(-1)'
    return lambda call: [f"states = {call}.last_hidden_state", mask, f"features = {pooled}"]


def _of_pictures(code: str) -> Callable[[str], list[str]]:
    return lambda call: [f"output = {call}", f"features = {code}"]


def _whole(leaving: Leaving, config: Any, backbone: nn.Module) -> Any:
    """Return Transformers' own classifier with the model's weights; None where it predicts otherwise than the study."""
    name = _CLASSES[leaving.examples.kind]
    try:
        model = getattr(require("transformers", EXTRA), name).from_config(_with_labels(leaving, config))
    except ValueError:  # there is none of this type
        return None
    state = _state(leaving, model, backbone)
    if state is None:
        return None
    model.load_state_dict(state, strict=True)
    try:
        _compared(leaving, model, Classifier(name, whole=True, extra=_extra(model)))
    except ModelError:
        return None
    return model


def _state(leaving: Leaving, model: Any, backbone: nn.Module) -> dict[str, Tensor] | None:
    """Name the weights as a classifier does; None if it has more than a backbone and a linear head."""
    below = {f"{model.base_model_prefix}.{name}": value for name, value in backbone.state_dict().items()}
    rest = {name: value for name, value in model.state_dict().items() if name not in below}
    head = {kind: leaving.weights[f"head.{kind}"] for kind in ("weight", "bias")}
    ends = {name.rpartition(".")[2]: name for name in rest}
    if len(rest) != len(head) or {end: tuple(rest[name].shape) for end, name in ends.items()} != {
        kind: tuple(value.shape) for kind, value in head.items()
    }:
        return None
    return {**below, **{ends[kind]: value for kind, value in head.items()}}


def _with_labels(leaving: Leaving, config: Any) -> Any:
    names = leaving.task.outputs
    config.num_labels = len(names)
    config.id2label = dict(enumerate(names))
    config.label2id = {name: number for number, name in enumerate(names)}
    config.problem_type = _PROBLEMS[leaving.task.kind]
    return config


def _extra(backbone: nn.Module) -> Keywords:
    """Positions are fitted to pictures of another size than the checkpoint's."""
    return (("interpolate_pos_encoding", True),) if interpolates(backbone) else ()


def _write_reader(leaving: Leaving, folder: Path) -> None:
    """Write what reads inputs: the settings of an image processor; tokenizers are written for every format."""
    if leaving.examples.kind != "image":
        return
    said = preprocessing_of(leaving)
    size = {"height": said["height"], "width": said["width"]}
    settings = {
        "image_processor_type": "BitImageProcessor",
        "do_convert_rgb": len(said["mean"]) == 3,
        "do_resize": True,
        "size": {"shortest_edge": min(size.values())},
        "resample": 2,
        "do_center_crop": True,
        "crop_size": size,
        "do_rescale": True,
        "rescale_factor": said["rescale"],
        "do_normalize": True,
        "image_mean": said["mean"],
        "image_std": said["std"],
    }
    write_text(folder / "preprocessor_config.json", json.dumps(settings, indent=2) + "\n")
