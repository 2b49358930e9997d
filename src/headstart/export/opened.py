"""A run folder, opened to take an arm out of it: nothing is trained in the place of what is missing or damaged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from headstart.core.cache import cache_folder
from headstart.core.damage import Damaged
from headstart.core.device import CPU
from headstart.core.errors import DataError, SettingError, nearest
from headstart.core.files import read_json
from headstart.core.owner import owner_of
from headstart.core.plain import plain
from headstart.core.progress import Silent
from headstart.evidence.metrics import is_function
from headstart.study.run.changes import differences
from headstart.study.run.folder import PLACE
from headstart.study.run.nodes import NodeStore
from headstart.study.run.pipeline import Pipeline
from headstart.study.run.records import Records
from headstart.study.study import Study
from headstart.study.written.arms import Arm, parse_arm
from headstart.study.written.load import StudyFile, load_study


@dataclass(frozen=True, eq=False, kw_only=True)
class OpenedRun:
    """One arm and seed of a run folder.

    Attributes:
        folder: of the run.
        study: opened with its data.
        arm: with the settings that tuning chose.
        line: the record of this arm and seed.
        pipeline: of the seed; it finds what was made, and makes nothing.
    """

    folder: Path
    study: Study
    arm: Arm
    line: Mapping[str, Any]
    pipeline: Pipeline

    @property
    def seed(self) -> int:
        """The seed of the run."""
        return self.pipeline.seed


def recommended_arm(run: Path) -> str:
    """Return the arm that a run's verdict recommends.

    Raises:
        SettingError: there is no verdict yet, or it recommends none.
    """
    _check_folder(run)
    found = read_json(run / "verdict.json", {"metric": str}, owner_of(run)) or {}
    if name := found.get("recommended"):
        return str(name)
    arms = dict.fromkeys(line["arm"] for line in _records(run).all())
    raise SettingError(
        f"arm: must be named where the verdict recommends none, received nothing for '{run}'; valid: "
        f"{', '.join(arms) or 'no arm has finished'}"
    )


def read_study(run: Path, study: Path | None = None) -> StudyFile:
    """Read the file of the study that a folder was made by.

    Args:
        run: folder that ``headstart study`` wrote.
        study: the study file; None takes the run folder's copy.

    Raises:
        DataError: the folder is no run folder.
        Damaged: the copy says other settings than those that were run.
    """
    _check_folder(run)
    if study is not None:
        return load_study(study, runs_code=True)
    _check_here(run)
    file = _copy_of_file(run)
    _check_metric(file)
    _check_text(run, file)
    return file


def _copy_of_file(run: Path) -> StudyFile:
    """Read a run folder's copy, whose relative paths start where they did, else in the folder itself."""
    start = (read_json(run / PLACE, {"folder": str}) or {}).get("folder", ".")
    try:
        return load_study(run / "study.toml", folder=run / start)
    except SettingError as error:
        with suppress(SettingError):
            return load_study(run / "study.toml")
        raise SettingError(f"{error}; if the study file lies elsewhere, give it with --study") from error


def _check_metric(file: StudyFile) -> None:
    """A run folder may be a stranger's: it names no function that runs here."""
    metric = file.settings.decision.metric
    if is_function(metric):
        raise SettingError(
            f"decision.metric: a function runs for a study of the user's own alone, received '{metric}' in a run "
            "folder; give the study file with --study"
        )


def open_run(
    run: Path, arm: str, seed: int | None, file: StudyFile | Study, *, check: Callable[[Arm], None]
) -> OpenedRun:
    """Open a finished arm.

    Args:
        run: folder that ``headstart study`` wrote.
        arm: its name.
        seed: of the run; None takes the study's first.
        file: what ``read_study`` returned, or the study itself.
        check: raises an error on an arm that cannot leave, before data are read.

    Raises:
        SettingError: the arm or the seed is not there, or was run with other data or settings.
        Damaged: what the arm came to is not what was written.
    """
    line = _line(run, arm, seed)
    spec, store = parse_arm(arm, line["settings"]), NodeStore(run, _refuse)
    check(spec)
    _check_whole(store, line)
    study = file if isinstance(file, Study) else Study.open(file, cache=cache_folder(), device=CPU)
    pipeline = study.pipeline(store, line["seed"], Silent())
    _check_same(pipeline, spec, line)
    return OpenedRun(folder=run, study=study, arm=spec, line=line, pipeline=pipeline)


def _check_folder(run: Path) -> None:
    if not run.exists():
        raise DataError(
            f"'{run}' is not there (looked for {run.absolute()}); name a folder that 'headstart study' wrote"
        )
    if not (run / "study.toml").is_file():
        raise DataError(f"'{run}' is no run folder: it has no study.toml; name one that 'headstart study' wrote")


def _check_here(run: Path) -> None:
    """Refuse a run whose examples no file leads to: predictions could not be compared."""
    facts = read_json(run / "federation.json", {"clients": list}) or {}
    settings = read_json(run / "settings.json", {"data": dict}) or {}
    is_given = str(settings.get("data", {}).get("source")).startswith("python:")
    if is_given or (facts and facts.get("account") is None):
        raise SettingError(
            f"run: must be of a study whose data are here, received '{run}', whose data are at sites or were given in "
            "Python; in Python give the study itself: export_model(…, study=study)"
        )


def _refuse(error: Damaged) -> NoReturn:
    """Train nothing in the place of what is damaged: that is the study's work."""
    raise error


def _check_text(run: Path, file: StudyFile) -> None:
    """Refuse a copy of the study file that says other settings than those that were run."""
    kept, now = read_json(run / "settings.json", {}) or {}, plain(file.settings.as_json())
    own = {name: table for name, table in kept.items() if name != "decision"}
    if changed := differences(own, now):
        raise Damaged(run / "study.toml", f"it is not what was run: {'; '.join(changed)}")


def _check_whole(store: NodeStore, line: Mapping[str, Any]) -> None:
    """Refuse an arm of which a part is missing."""
    for key in line["nodes"]:
        if (error := store.lost(key)) is not None:
            raise error


def _check_same(pipeline: Pipeline, arm: Arm, line: Mapping[str, Any]) -> None:
    """Refuse an arm that would come out otherwise now: its stages are found by content."""
    if pipeline.leaf_key(pipeline.trunk_key(arm), arm.adapt, pipeline.final_views) != line["key"]:
        versions = line.get("versions", {}).get("headstart", "an unknown version")
        raise SettingError(
            f"arm: must have been run with these data and settings, received '{arm.name}' of other ones (by Headstart "
            f"{versions}); run the study again into its folder, which makes what changed anew"
        )


def _records(run: Path) -> Records:
    records = Records(run / "records.jsonl")
    for error in records.damaged:
        raise error
    return records


def _line(run: Path, arm: str, seed: int | None) -> dict[str, Any]:
    """Return the record of an arm and a seed, or of its first seed."""
    every = _records(run).all()
    lines = {line["seed"]: line for line in every if line["arm"] == arm}
    if not lines:
        hint = nearest(arm, {line["arm"] for line in every}) if every else "none has finished: run the study again"
        raise SettingError(f"arm: must be a finished arm of '{run}', received {arm!r}; {hint}")
    first, *_ = lines
    if seed is not None and seed not in lines:
        raise SettingError(f"seed: must be one that '{arm}' has run with, received {seed}; valid: {list(lines)}")
    return lines[first if seed is None else seed]
