"""Opening a study that another process runs: from its text and its folders alone."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from headstart.core.progress import Silent
from headstart.study.run.folder import RunFolder
from headstart.study.run.pipeline import Pipeline
from headstart.study.written.load import on_device, parse_study


@dataclass(frozen=True)
class Source:
    """Where a study is found.

    Attributes:
        text: the study file.
        folder: where its relative paths start.
        out: run folder.
        cache: folder of what studies can share; None for none.
        device: where it computes, whatever its text says.
    """

    text: str
    folder: Path
    out: Path
    cache: Path | None
    device: str = "auto"

    def open(self) -> Callable[[int], Pipeline]:
        """Open the study; return what runs arms, for each seed.

        Raises:
            SettingError, DataError: it cannot be opened here.
        """
        from headstart.study.study import Study

        file = on_device(parse_study(tomllib.loads(self.text), self.folder, self.text, runs_code=True), self.device)
        study, store = Study.open(file, cache=self.cache).in_folder(self.out)[0], RunFolder(self.out).store
        return cache(lambda seed: study.pipeline(store, seed, Silent()))
