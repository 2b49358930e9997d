"""Which trackers are told, as a user says it: ``tensorboard=FOLDER``, ``mlflow=ADDRESS``, ``wandb=FOLDER``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart.core.errors import SettingError, nearest, require
from headstart.report.trackers import mlflow, tensorboard, wandb
from headstart.report.trackers.tracked import Tracker, tracked

TRACKERS: Mapping[str, Tracker] = {"tensorboard": tensorboard.log, "mlflow": mlflow.log, "wandb": wandb.log}
"""Every tracker by its name, which is its package's and its extra's too."""


@dataclass(frozen=True)
class Choice:
    """A tracker, and where it keeps what it is told."""

    name: str
    where: str

    def log(self, study: str, records: Path) -> None:
        """Tell it all runs of a run folder."""
        TRACKERS[self.name](study, tracked(records), self.where)


def chosen(written: Sequence[str]) -> tuple[Choice, ...]:
    """Read trackers as they were written, and refuse early what is unknown or not installed.

    Raises:
        SettingError: no such tracker, or no place.
        MissingExtra: with the line that installs it.

    >>> chosen(["mlflow"])
    Traceback (most recent call last):
    headstart.core.errors.SettingError: --track: must be TRACKER=PLACE, received 'mlflow'; such as tensorboard=board
    """
    choices = [_choice(one) for one in written]
    for one in choices:
        require(one.name, one.name)
    return tuple(choices)


def _choice(written: str) -> Choice:
    name, found, where = written.partition("=")
    if not found or not where:
        raise SettingError(f"--track: must be TRACKER=PLACE, received {written!r}; such as tensorboard=board")
    if name not in TRACKERS:
        raise SettingError(f"--track: unknown tracker, received {name!r}; {nearest(name, TRACKERS)}")
    return Choice(name, where)
