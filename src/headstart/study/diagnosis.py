"""The diagnosis of a study's data: one pass of frozen features, no training on clients."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from headstart.core.arrays import Array
from headstart.data.federation import Client
from headstart.diagnosis import Diagnosis, diagnose
from headstart.engine.predict import features_of
from headstart.models.spec import is_checkpoint
from headstart.study.lab import Lab
from headstart.study.run.pipeline import Pipeline
from headstart.study.written.arms import Arm, Stage


def diagnose_lab(lab: Lab, pipeline: Pipeline, arms: Sequence[Arm]) -> Diagnosis:
    """Diagnose the seen clients' training and validation data.

    Args:
        lab: data and network.
        pipeline: of the first seed; its start is shared with the arms that begin there.
        arms: that the prediction may name; the features are those of their start.
    """
    start = good_start(lab, arms)
    features, labels = frozen_features(lab, pipeline, start), lab.federation.examples.labels

    def parts(split: Any) -> list[tuple[Array, Array]]:
        return [_take(features, labels, client, split) for client in pipeline.federation.seen_clients]

    return diagnose(
        parts("train"),
        parts("val"),
        lab.federation.num_classes,
        clients=[client.id for client in pipeline.federation.seen_clients],
        pretrained=start is not None,
        arms=[arm.name for arm in arms],
    )


def frozen_features(lab: Lab, pipeline: Pipeline, start: Stage | None) -> Array:
    """Return the features of a start, or the raw inputs when there is none."""
    if start is None:
        inputs = np.asarray(lab.federation.examples.inputs, dtype=np.float32)
        return inputs.reshape(len(inputs), -1)
    shared = pipeline.start(start).shared
    model, _ = shared.model.recut(shared.params, "head")
    features: Array = features_of(lab.activations, model).numpy()
    return features


def good_start(lab: Lab, arms: Sequence[Arm]) -> Stage | None:
    """Return the start that knows something: the arms' own, a checkpoint's, pre-training on a pool, or None."""
    for arm in arms:
        if arm.start.build().is_trained:
            return arm.start
    if is_checkpoint(lab.spec):
        return Stage("start", "pretrained")
    central = lab.federation.central
    return Stage("start", "pretrain") if central is not None and (central.labels >= 0).any() else None


def predicted_arm(path: Path) -> str | None:
    """Read which arm the diagnosis predicted."""
    if not path.exists():
        return None
    winner: str | None = json.loads(path.read_text())["prediction"]["winner"]
    return winner


def _take(features: Array, labels: Array, client: Client, split: Any) -> tuple[Array, Array]:
    rows = client.indices(split)
    # A client whose inputs are no numbers is named when it trains; it must not end the study here.
    rows = rows[np.isfinite(features[rows]).all(axis=1)]
    return features[rows], labels[rows]
