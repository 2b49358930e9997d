"""What a finished run of an arm would send to a device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from headstart.core.arrays import Array
from headstart.core.errors import SettingError
from headstart.core.trees import Params
from headstart.engine.predict import features_of
from headstart.export.opened import open_run, read_study
from headstart.models.model import Model
from headstart.study.lab import Lab
from headstart.study.run.pipeline import Pipeline
from headstart.study.written.arms import METHODS, Arm
from headstart.study.written.load import StudyFile


@dataclass(frozen=True, eq=False, kw_only=True)
class Finished:
    """A finished arm, ready to leave.

    Attributes:
        study: the study's name.
        arm: with the settings that tuning chose.
        seed: of the run.
        metric: that decides whether a device keeps its adapted head.
        lab: data and network.
        pipeline: of the seed.
        model: cut at the head.
        head: what clients receive.
    """

    study: str
    arm: Arm
    seed: int
    metric: str
    lab: Lab
    pipeline: Pipeline
    model: Model
    head: Params

    @property
    def adapt(self) -> dict[str, Any]:
        """The adaptation's settings, flat, defaults filled in."""
        stage = self.arm.adapt
        settings = [(name, one) for name, one in stage.entry.settings().items() if name not in _NOT_ON_DEVICE]
        values = {name: stage.settings.get(name, one.default) for name, one in settings}
        return {"method": stage.method, **values}

    def raw(self, rows: Array) -> Tensor:
        """Return stored inputs of the clients' examples, as a device would hold them."""
        return torch.from_numpy(np.ascontiguousarray(self.lab.federation.examples.inputs[rows]))

    def features(self, rows: Array) -> Tensor:
        """Return what the study itself computed for these examples."""
        return features_of(self.lab.activations, self.model)[torch.from_numpy(rows)]

    @property
    def validation(self) -> Array:
        """Rows of the seen clients' validation data; of their training data where they have none."""
        clients = self.pipeline.federation.seen_clients
        rows = np.concatenate([client.val for client in clients])
        return rows if len(rows) else np.concatenate([client.train for client in clients])

    @property
    def training(self) -> Array:
        """Rows of the seen clients' training data."""
        return np.concatenate([client.train for client in self.pipeline.federation.seen_clients])


def open_finished(run: Path, arm: str, seed: int | None = None, study: Path | None = None) -> Finished:
    """Read what an arm of a run folder came to.

    Args:
        run: folder that ``headstart study`` wrote.
        arm: its name.
        seed: of the run; None takes the study's first.
        study: the study file; None takes the run folder's copy.

    Raises:
        SettingError: the arm is not there, not finished, or nothing that a device can have.
        Damaged: what the arm came to is not what was written.
    """
    file = read_study(run, study)
    _check_inputs(file)
    # Before data are read: who names another arm hears at once what a device can have.
    opened = open_run(run, arm, seed, file, check=_check_adapt)
    pipeline, spec = opened.pipeline, opened.arm
    shared = pipeline.trunk(spec).shared
    if shared.is_personal:
        raise SettingError(
            f"arm: must leave all clients the same weights to start from, received {arm!r}; export another"
        )
    model, head = shared.model.recut(shared.common, "head")
    return Finished(
        study=file.settings.name,
        arm=spec,
        seed=opened.seed,
        metric=opened.study.file.settings.decision.metric,
        lab=opened.study.lab,
        pipeline=pipeline,
        model=model,
        head=head,
    )


def _check_inputs(file: StudyFile) -> None:
    if not file.data.has_classes:
        raise SettingError(
            f"data.task: a device's bundle tells classes apart, received a study of '{file.data.task}'; give --format "
            "safetensors, state_dict, transformers or onnx"
        )
    if file.data.text is not None:
        raise SettingError(
            f"data.text: a device reads pictures or numbers, received a study of texts ('{file.data.text}'); export an "
            "arm of another study"
        )


def _check_adapt(arm: Arm) -> None:
    if not arm.adapt.entry.on_device:
        valid = ", ".join(name for name, entry in METHODS["adapt"].items() if entry.on_device)
        raise SettingError(
            f"arm: a device fine-tunes the head alone ({valid}), received '{arm.name}' with "
            f"'{arm.adapt.method}'; export an arm with one of these"
        )
    known = arm.adapt.entry.settings()
    for name in _NOT_ON_DEVICE & known.keys():
        if (value := arm.adapt.settings.get(name, known[name].default)) != known[name].default:
            raise SettingError(
                f"arm: a device trains without {name}, received '{arm.name}' with {name} = {value!r}; export an arm "
                f"without it"
            )


_NOT_ON_DEVICE = {"lr_schedule", "warmup", "label_smoothing", "dropout", "augment"}
"""Options of training that headstart-edge has not."""
