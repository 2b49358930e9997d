"""Weights & Biases, offline: a run per arm and seed in a folder; ``wandb sync`` sends them if someone wants that."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from headstart.core.errors import require
from headstart.report.trackers.tracked import Tracked


def log(study: str, runs: Iterator[Tracked], where: str) -> None:
    """Log every run into a folder, as part of a project named after the study."""
    wandb = require("wandb", "wandb")
    Path(where).mkdir(parents=True, exist_ok=True)
    for run in runs:
        with wandb.init(
            project=study, name=run.name, config=dict(run.settings), dir=where, mode="offline", reinit=True
        ) as logged:
            for step, points in groupby(run.curve, lambda point: point[0]):
                logged.log({name: value for _, name, value in points}, step=step)
            logged.summary.update(run.test)
