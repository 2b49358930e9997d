"""What a user says of a model: which backbone, and what shape it has where that is free."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """The backbone of a study.

    Attributes:
        backbone: a built-in network (``small-cnn``, ``linear``, ``mlp``, ``resnet-18``), or a Transformers
            image checkpoint: its Hub name (``microsoft/resnet-18``) or its local directory. A name with a
            slash is a checkpoint.
        hidden: widths of the hidden layers of ``mlp``, from the input up; other networks don't read it.
    """

    backbone: str = "small-cnn"
    hidden: tuple[int, ...] = (64,)


def is_checkpoint(spec: ModelSpec) -> bool:
    """Say whether the backbone comes with weights: a Hub name or a directory, not a built-in network.

    >>> is_checkpoint(ModelSpec(backbone="microsoft/resnet-18")), is_checkpoint(ModelSpec(backbone="mlp"))
    (True, False)
    """
    return "/" in spec.backbone or "\\" in spec.backbone
