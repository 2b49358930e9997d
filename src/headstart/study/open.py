"""From a checked study file to a lab: open the data, build the engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from headstart.core.cache import calibrations
from headstart.core.damage import Damaged
from headstart.core.device import CPU, check_precision, find_device
from headstart.core.errors import SettingError
from headstart.core.files import read_json
from headstart.core.progress import Progress, Silent, Tell
from headstart.data import open_federation
from headstart.data.checks import check_numbers
from headstart.data.federation import Federation
from headstart.engine.protocol import Engine
from headstart.engine.ways.calibration import NEEDS
from headstart.engine.ways.fleet import Fleet
from headstart.engine.ways.serial import Serial
from headstart.study.lab import Lab
from headstart.study.own import with_remarks
from headstart.study.texts import with_tokens
from headstart.study.written.load import StudyFile
from headstart.study.written.schema import EngineSettings

DTYPES = {"float32": torch.float32, "float64": torch.float64}


def open_lab(
    file: StudyFile,
    federation: Federation | None = None,
    *,
    cache: Path | None = None,
    calibrated: Path | None = None,
    progress: Progress | None = None,
    device: torch.device | None = None,
) -> Lab:
    """Open a study's data, network and engine.

    Args:
        file: the checked study file.
        federation: made in Python; None opens the file's own data.
        cache: folder of what studies can share; None shares nothing.
        calibrated: folder of this machine's calibrations; None takes the cache's, or keeps none.
        progress: told how far long passes over the data are.
        device: where networks are asked, whatever the file says; None takes what the file says.

    Raises:
        SettingError: the device that the file names is not there, or lacks the precision.
        DataError: the data cannot be read, break a rule, or hold no numbers.
    """
    settings, calibrated = file.settings, calibrated or (calibrations(cache) if cache else None)
    device = device or _device(settings.engine)
    for line in _forgotten(calibrated):
        (progress or Silent()).warn(line)
    opened = federation or open_federation(file.data, file.folder)
    check_numbers(opened)
    lab = Lab(
        with_tokens(opened, file.model),
        file.model,
        _engine(settings.engine, calibrated, (progress or Silent()).warn),
        DTYPES[settings.engine.dtype],
        cache=cache,
        progress=progress,
        global_test_examples=settings.evaluation.global_test_examples,
        own=file.own,
        device=device,
        precision=settings.engine.precision,
    )
    return with_remarks(lab)


def _device(settings: EngineSettings) -> torch.device:
    """Return the device that the settings ask for, if it has what they want of it."""
    device = find_device(settings.device)
    check_precision(device, settings.precision)
    if settings.precision != "float32" and settings.dtype != "float32":
        raise SettingError(
            f"engine.precision: is how float32 is multiplied, received '{settings.precision}' with dtype = "
            f"'{settings.dtype}'; leave one of them out"
        )
    if settings.way == "workers" and settings.name == "fleet" and device != CPU:
        raise SettingError(
            f"engine.way: processes cannot share the device '{device}', received 'workers'; leave it out, or write "
            "device = 'cpu'"
        )
    return device


def _engine(settings: EngineSettings, calibrated: Path | None, tell: Tell) -> Engine:
    """Return the engine that the settings ask for."""
    if settings.name == "serial":
        return Serial()
    return Fleet(None if settings.way == "auto" else settings.way, settings.workers, folder=calibrated, tell=tell)


def _forgotten(calibrated: Path | None) -> Iterator[str]:
    """Delete step times that are damaged, and say so: steps are timed again."""
    for path in sorted(calibrated.glob("*.json")) if calibrated else ():
        try:
            read_json(path, NEEDS)
        except Damaged as error:
            error.set_aside()
            yield error.note
