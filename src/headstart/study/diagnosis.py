"""The diagnosis of a study's data: one pass of frozen features, no training on clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from headstart.core.arrays import Array
from headstart.core.errors import StartError
from headstart.core.files import read_json
from headstart.data.federation import Client, Federation
from headstart.diagnosis import Diagnosis, diagnose, skew
from headstart.engine.predict import features_of
from headstart.evidence.metrics import Measure, measure_of
from headstart.models.spec import is_checkpoint
from headstart.study.lab import Lab
from headstart.study.plan import family_of
from headstart.study.run.pipeline import Pipeline
from headstart.study.written.arms import Arm, Stage
from headstart.study.written.schema import DecisionSettings


def diagnose_lab(lab: Lab, pipeline: Pipeline, arms: Sequence[Arm], decision: DecisionSettings) -> Diagnosis:
    """Diagnose the seen clients' training and validation data.

    Args:
        lab: data and network.
        pipeline: of the first seed; its start is shared with the arms that begin there.
        arms: whose families the prediction may name; the features are those of their start.
        decision: its metric and what matters.
    """
    features, start, failed = _first_features(lab, pipeline, good_starts(lab, arms))
    labels = lab.federation.examples.labels

    def parts(split: Any) -> list[tuple[Array, Array]]:
        return [_take(features, labels, client, split) for client in pipeline.federation.seen_clients]

    able = [arm for arm in arms if arm.start not in [gone for gone, _ in failed]]
    found = diagnose(
        parts("train"),
        parts("val"),
        lab.federation.num_classes,
        clients=[client.id for client in pipeline.federation.seen_clients],
        pretrained=start is not None,
        metric=decision.metric,
        min_effect=share_that_matters(decision, measure_of(decision.metric, lab.federation.task)),
        families=[family for arm in able if (family := family_of(arm))],
    )
    instead = f"those of the start '{start.method}'" if start else "the raw inputs"
    instead += " with its defaults" if start and not start.settings else ""
    notes = (f"The features are {instead}, for the start '{gone.method}' failed: {why}" for gone, why in failed)
    reasons = (*found.prediction.reasons, *notes)
    return replace(found, prediction=replace(found.prediction, reasons=reasons))


def undiagnosed(federation: Federation) -> Mapping[str, Any]:
    """Say what is known of a federation whose task has no classes, and that nothing is foretold of it."""
    sizes = np.array([len(client.train) for client in federation.seen_clients])
    why = "the predictor was made for tasks of one class per example"
    prediction = {"family": None, "reasons": [f"Nothing is foretold: {why}."]}
    return {"quantity_skew": skew.quantity(sizes), "prediction": prediction}


def share_that_matters(decision: DecisionSettings, of: Measure) -> float:
    """Return what matters in shares of examples: of a loss it is said in the loss's own unit."""
    return decision.min_effect if of.is_share and not of.lower_is_better else DecisionSettings.min_effect


def _first_features(
    lab: Lab, pipeline: Pipeline, starts: Sequence[Stage | None]
) -> tuple[Array, Stage | None, list[tuple[Stage, str]]]:
    """Return the features of the first start that can be trained, that start, and those that failed before it."""
    start, *others = starts
    try:
        return frozen_features(lab, pipeline, start), start, []
    except StartError as error:
        if start is None or not others:
            raise
        reason = str(error)
    features, used, failed = _first_features(lab, pipeline, others)
    return features, used, [(start, reason), *failed]


def frozen_features(lab: Lab, pipeline: Pipeline, start: Stage | None) -> Array:
    """Return the features of a start, or the raw inputs when there is none."""
    if start is None:
        inputs = np.asarray(lab.federation.examples.inputs, dtype=np.float32)
        return inputs.reshape(len(inputs), -1)
    shared = pipeline.start(start).shared
    model, _ = shared.model.recut(shared.params, "head")
    with lab.rounding():
        features: Array = features_of(lab.activations, model).cpu().numpy()
    return features


def good_starts(lab: Lab, arms: Sequence[Arm]) -> list[Stage | None]:
    """Return the starts that know something, the first to be tried first, then None for the raw inputs.

    The arms' own come first, then a checkpoint's or pre-training on a pool; texts are no features by themselves.
    """
    found = [arm.start for arm in arms if arm.start.build().is_trained]
    central = lab.federation.central
    if is_checkpoint(lab.spec):
        found.append(Stage("start", "pretrained"))
    elif central is not None and (central.labels >= 0).any():
        found.append(Stage("start", "pretrain"))
    distinct: list[Stage | None] = [stage for i, stage in enumerate(found) if stage not in found[:i]]
    return distinct if lab.federation.examples.kind == "text" else [*distinct, None]


def predicted_family(path: Path) -> str | None:
    """Read which family the diagnosis predicted; one from before it named families names an arm."""
    prediction = (read_json(path, {"prediction": dict}) or {}).get("prediction") or {}
    found: str | None = prediction.get("family", prediction.get("winner"))
    return found


def _take(features: Array, labels: Array, client: Client, split: Any) -> tuple[Array, Array]:
    rows = client.indices(split)
    # A client whose inputs are no numbers is named when it trains; it must not end the study here.
    rows = rows[np.isfinite(features[rows]).all(axis=1)]
    return features[rows], labels[rows]
