"""The frozen part that all seeds share, computed once before processes need it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from headstart.core.errors import HeadstartError
from headstart.models.model import cut_at
from headstart.study.run.beside import is_pretrained
from headstart.study.run.pipeline import Pipeline
from headstart.study.written.arms import Arm


def share_features(arms: Sequence[Arm], pipeline: Pipeline) -> None:
    """Compute activations of frozen parts that are a checkpoint's, for every cut that arms have.

    Args:
        arms: of the study.
        pipeline: of any seed.
    """
    for arm in arms:
        method = arm.start.build()
        # What a start draws or trains is another for each seed.
        if method.is_trained and not is_pretrained(arm.start):
            with suppress(HeadstartError):
                _share(arm, pipeline)


def _share(arm: Arm, pipeline: Pipeline) -> None:
    trunk = pipeline.start(arm.start)
    for stage in (*arm.federate, arm.adapt):
        model, _ = cut_at(trunk.network, trunk.weights, stage.build().trainable)
        pipeline.lab.activations.at(model)
