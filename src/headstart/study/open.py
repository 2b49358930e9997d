"""From a checked study file to a plan: open the data, choose the arms, choose the engine."""

from __future__ import annotations

from pathlib import Path

import torch

from headstart.core.cache import calibrations
from headstart.data import open_federation
from headstart.engine.features.activations import Progress as Passes
from headstart.engine.protocol import Engine
from headstart.engine.ways.fleet import Fleet
from headstart.engine.ways.serial import Serial
from headstart.study.lab import Lab
from headstart.study.plan import Plan
from headstart.study.texts import with_tokens
from headstart.study.written.arms import ArmSpec, with_defaults
from headstart.study.written.load import StudyFile
from headstart.study.written.schema import EngineSettings
from headstart.study.written.slate import Slate, slate_for

DTYPES = {"float32": torch.float32, "float64": torch.float64}


def open_plan(file: StudyFile, *, cache: Path | None = None, passes: Passes | None = None) -> Plan:
    """Open a study's data and choose its arms.

    Args:
        file: the checked study file.
        cache: folder of what studies can share; None shares nothing.
        passes: told how far long passes over the data are.

    Raises:
        DataError: the data cannot be read or break a rule.
    """
    settings = file.settings
    lab = Lab(
        with_tokens(open_federation(file.data, file.folder), file.model),
        file.model,
        engine_of(settings.engine, cache),
        DTYPES[settings.engine.dtype],
        cache,
        passes,
        settings.evaluation.global_test_examples,
    )
    slate = chosen_arms(file, lab)
    return Plan(settings, lab, slate.arms, slate.ruled_out, file.devices, file.text)


def engine_of(settings: EngineSettings, cache: Path | None) -> Engine:
    """Return the engine that the settings ask for."""
    if settings.name == "serial":
        return Serial()
    way = None if settings.way == "auto" else settings.way
    return Fleet(way, settings.workers, folder=calibrations(cache) if cache else None)


def chosen_arms(file: StudyFile, lab: Lab) -> Slate:
    """Return the study's own arms, or the standard slate with the study's defaults."""
    if file.arms:
        return Slate(file.arms, {})
    slate = slate_for(file.model, lab.federation)

    def fill(arm: ArmSpec) -> ArmSpec:
        return with_defaults(arm, file.settings.training, file.settings.model.trainable)

    return Slate(tuple(fill(arm) for arm in slate.arms), slate.ruled_out)
