"""TensorBoard: scalars of every run, one folder per arm and seed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from headstart.core.errors import require
from headstart.core.files import file_name
from headstart.report.trackers.tracked import Tracked


def log(study: str, runs: Iterator[Tracked], where: str) -> None:  # noqa: ARG001 (a folder has no name)
    """Write every run's curve and metrics into a folder of its own below ``where``."""
    writer_class = require("torch.utils.tensorboard", "tensorboard").SummaryWriter
    for run in runs:
        with writer_class(str(Path(where) / file_name(run.name))) as writer:
            for step, name, value in run.curve:
                writer.add_scalar(name, value, step)
            for name, value in run.test.items():
                writer.add_scalar(name, value, 0)
