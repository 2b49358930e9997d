"""The prediction of every federation of the atlas, before any training: a pass of minutes that needs no study."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from atlas_old_rule import Part, old_rule
from atlas_plans import Plan, deal
from atlas_sets import Pool
from atlas_study import METRIC, MIN_EFFECT, SEEDS
from headstart.data import resplit
from headstart.data.federation import Federation, Split
from headstart.diagnosis import diagnose
from headstart.diagnosis.predict import Prediction, predict
from headstart.diagnosis.signals import Signals

Row = dict[str, Any]


def foretell(pool: Pool, plan: Plan, seed: int = 0) -> Row:
    """Diagnose a federation as its study would, on the first seed's training and validation examples."""
    federation = resplit(deal(pool, plan, seed).federation, SEEDS[0])
    train, val = parts(federation, "train"), parts(federation, "val")
    begin = time.process_time()
    found = diagnose(train, val, federation.num_classes, metric=METRIC, min_effect=MIN_EFFECT)
    seconds = time.process_time() - begin
    balanced = diagnose(train, val, federation.num_classes, metric="balanced_accuracy", min_effect=MIN_EFFECT)
    shift, skew = found.feature_shift, found.label_skew
    return {
        "name": plan.name,
        "seed": seed,
        "signals": {family: asdict(own) for family, own in found.prediction.signals.items()},
        "signals_balanced": {family: asdict(own) for family, own in balanced.prediction.signals.items()},
        "predicted": said(found.prediction),
        "unvalidated": said(without_validation(found.prediction.signals)),
        "predicted_balanced": said(balanced.prediction),
        "old": old_rule(train, val, federation.num_classes),
        "shift": shift.class_conditional - shift.class_conditional_expected,
        "skew": skew["total_variation"] - skew["expected"],
        "classes": federation.num_classes,
        "cpu_seconds": round(seconds, 2),
    }


def parts(federation: Federation, split: Split) -> Sequence[Part]:
    """Return every client's features and labels."""
    inputs, labels = federation.examples.inputs, federation.examples.labels
    return [(np.asarray(inputs)[client.indices(split)], labels[client.indices(split)]) for client in federation.clients]


def without_validation(signals: Mapping[Any, Signals]) -> Prediction:
    """Predict as if no client had validation data."""
    return predict({family: replace(own, v=float("nan")) for family, own in signals.items()}, min_effect=MIN_EFFECT)


def said(prediction: Prediction) -> Row:
    """Return the family and the gains as plain values."""
    return {"family": prediction.family, "gains": {name: asdict(gain) for name, gain in prediction.gains.items()}}
