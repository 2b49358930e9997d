"""A study that goes on in a folder: what its file does not write of the decision stays as the folder was made with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from headstart.study.written.load import StudyFile
from headstart.study.written.slate import STANDARD


def as_made(file: StudyFile, before: Mapping[str, Any]) -> tuple[StudyFile, tuple[str, ...]]:
    """Return a study file with a folder's own decision where it writes none, and a line for each such setting.

    Args:
        file: the study.
        before: the decision that the folder's records were made for; empty for a new folder.
    """
    now = asdict(file.settings.decision)
    other = {name: before[name] for name in now if name in before and before[name] != now[name]}
    kept = {name: value for name, value in other.items() if name not in file.decides and _is_open(file, name, value)}
    settings = replace(file.settings, decision=replace(file.settings.decision, **kept))
    return replace(file, settings=settings), tuple(_said(name, value, now[name]) for name, value in kept.items())


def _is_open(file: StudyFile, name: str, value: Any) -> bool:
    """An arm that the study has no more cannot stay the baseline."""
    return name != "baseline" or value in (file.settings.arms or STANDARD)


def _said(name: str, value: Any, default: Any) -> str:
    return f"decision.{name}: {value}, as this folder was made with (the default is {default} now)"
