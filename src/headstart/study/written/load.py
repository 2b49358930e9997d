"""From a study file to settings: read, expand paths, check everything before anything is written."""

from __future__ import annotations

import dataclasses
import os
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from headstart.core.errors import SettingError, nearest
from headstart.core.settings import read
from headstart.costs.devices import DeviceProfile, parse_device
from headstart.data.examples import Examples
from headstart.data.federation import Federation
from headstart.data.settings import CentralSettings, DataSettings
from headstart.evidence.decision import check_min_effect, check_scope
from headstart.evidence.metrics import is_function, measure
from headstart.models.spec import ModelSpec, is_checkpoint
from headstart.study.written.arms import Arm, check_training, parse_arm, with_defaults
from headstart.study.written.own import described, imported_for
from headstart.study.written.schema import Device, StudySettings
from headstart.study.written.slate import STANDARD, check_starts

if TYPE_CHECKING:
    from headstart.models.own import Own

_DATA_VARIABLE = "HEADSTART_DATA"
_VARIABLE = re.compile(r"\$(?:\{(HEADSTART_\w+)\}|(HEADSTART_\w+))")
"""Variables that stand for a path. Others may hold secrets, and a study file may be a stranger's: they stay."""

_LARGEST = 2**20
"""Bytes of a study file."""

_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"|\'[^\']*+\'')
_DEEPEST = 100
"""Dots of the keys in a line: the time that TOML's reader takes is their square."""


_DATA = (".csv", ".tsv", ".parquet", ".json", ".jsonl", ".ndjson", ".arrow", ".npz", ".zip", ".xlsx")
"""How names of files end that are data, in lower case."""
_EMBEDDED = ("digits", "glyphs")
_LOCAL = re.compile(r"[./~$]")
"""How names of local directories begin."""


@dataclass(frozen=True)
class StudyFile:
    """A study file, checked.

    Attributes:
        settings: as written; hashes and reports use it, so neither depends on where the files lie.
        data: with paths resolved.
        model: with paths resolved.
        arms: with the study's own defaults filled in; empty means the standard slate.
        devices: every kind of device among the clients.
        folder: relative paths start here.
        text: the file itself; empty for settings made in Python.
        decides: settings of ``[decision]`` that it writes.
        own: the user's own module, where the backbone is one.
    """

    settings: StudySettings
    data: DataSettings
    model: ModelSpec
    arms: tuple[Arm, ...]
    devices: tuple[DeviceProfile, ...]
    folder: Path
    text: str = ""
    decides: frozenset[str] = frozenset()
    own: Own | None = None


def load_study(path: Path | str, *, runs_code: bool = False, folder: Path | None = None) -> StudyFile:
    """Read and check a study file (TOML).

    Args:
        path: of the file.
        runs_code: whether a backbone that is code may be imported: where the file is the user's own alone.
        folder: where its relative paths start; None for where it lies.

    Raises:
        SettingError: the file cannot be read or a setting breaks a rule; one line per setting.
    """
    path = Path(path)
    text = _read(path)
    try:
        _check_depth(text)
        table = tomllib.loads(text)
    except RecursionError:
        raise SettingError(f"{path}: must have tables of a few levels, received many more; mend that line") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingError(f"{path}: is not valid TOML, received: {error}; mend that line{in_quotes(error)}") from None
    return parse_study(table, folder or path.parent, text, runs_code=runs_code)


def in_quotes(error: Exception) -> str:
    r"""Say how paths of Windows are written, where a backslash is what stopped TOML.

    >>> in_quotes(ValueError("Unescaped '\\' in a string")), in_quotes(ValueError("Invalid value"))
    (" (a path with backslashes stands in single quotes: 'C:\\data')", '')
    """
    is_escape = any(sign in str(error) for sign in ("Unescaped", "Invalid hex value"))
    return r" (a path with backslashes stands in single quotes: 'C:\data')" if is_escape else ""


def parse_study(
    table: Mapping[str, Any],
    folder: Path,
    text: str = "",
    federation: Federation | None = None,
    own: Own | None = None,
    *,
    runs_code: bool = False,
) -> StudyFile:
    """Check a study file's tables.

    Args:
        table: plain values, as TOML gives them.
        folder: relative paths start here.
        text: the file they came from.
        federation: made in Python; ``data.source`` is then its name, ``python:KEY``, and nothing is read.
        own: a module made in Python; ``model.backbone`` is then its name.
        runs_code: whether a backbone that is code may be imported.

    Raises:
        SettingError: a setting breaks a rule; one line per setting.

    >>> study = parse_study({"name": "demo", "data": {"source": "digits"}}, Path("."))
    >>> study.settings.seeds
    (0, 1, 2, 3, 4)
    """
    settings = read(StudySettings, table)
    _check_seeds(settings)
    _check_epsilons(settings)
    settings = dataclasses.replace(settings, seeds=_seeds(settings))
    check_training(settings.training)
    arms = tuple(_arm(name, arm, settings) for name, arm in settings.arms.items())
    devices = tuple(parse_device(name, device) for name, device in settings.devices.items())
    data = settings.data if federation else _resolve_data(settings.data, folder)
    model = _resolve_model(settings, folder)
    own = own or imported_for(model, folder, runs_code=runs_code)
    model = described(model, own)
    central = _is_labelled(federation.central) if federation else _has_labels(data.central)
    check_starts(arms, checkpoint=is_checkpoint(model) or own is not None, texts=not own, central=central)
    _check_decision(settings, table.get("decision", ()))
    settings = _with_baseline(settings, good_start=is_checkpoint(model) or central)
    return StudyFile(settings, data, model, arms, devices, folder, text, frozenset(table.get("decision", ())), own)


def on_device(file: StudyFile, device: str) -> StudyFile:
    """Return a study that runs on another device than its file says.

    Raises:
        SettingError: no device has such a name.
    """
    engine = dataclasses.replace(file.settings.engine, device=read(Device, device, "--device"))
    return dataclasses.replace(file, settings=dataclasses.replace(file.settings, engine=engine))


def resolve_path(setting: str, value: str, folder: Path) -> str:
    """Expand ``~`` and environment variables whose names begin with ``HEADSTART_``, and make a path absolute.

    Raises:
        SettingError: a variable is not set, or nothing lies at the path.
    """
    path = folder / Path(_expand(setting, value)).expanduser()
    if not _exists(path):
        where = "" if _VARIABLE.search(value) else f" (that is {path})"
        others = "; of variables only those that begin with HEADSTART_ stand for a path" if "$" in value else ""
        raise SettingError(
            f"{setting}: must be an existing file or folder, received {value!r}{where}; correct "
            f"the path: relative ones start at the study file's folder{others}"
        )
    return str(path.resolve())


def _check_depth(text: str) -> None:
    """Refuse keys of very many parts.

    Raises:
        RecursionError: there are.
    """
    for line in text.splitlines():
        if line.count(".") > _DEEPEST and re.sub(r"\d\.\d", "", _STRING.sub("", line)).count(".") > _DEEPEST:
            raise RecursionError


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that no disk can have
        return False


def _read(path: Path) -> str:
    if path.name.lower().removesuffix(".gz").endswith(_DATA):
        raise SettingError(
            f"study file: must be a file of settings, received '{path}', which looks like data; write a first study "
            f"file for it with: headstart init {quote(str(path))}"
        )
    try:
        if path.stat().st_size > _LARGEST:
            raise SettingError(
                f"study file: must have at most {_LARGEST:,} bytes, received '{path}' with {path.stat().st_size:,}; "
                "check the path"
            )
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SettingError(f"study file: must exist, received '{path}'; check the path") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(
            f"study file: must be a readable text file in UTF-8, received '{path}' ({error}); check the path"
        ) from None


def _check_decision(settings: StudySettings, written: Collection[str]) -> None:
    """Check what can be checked before the data are open; the task is known only then."""
    decision = settings.decision
    check_scope(decision.metric, decision.clients)
    if "metric" in written and not is_function(decision.metric):
        check_min_effect(measure(decision.metric), decision.min_effect)


def _has_labels(central: CentralSettings | None) -> bool:
    return central is not None and not central.unlabelled


def _is_labelled(central: Examples | None) -> bool:
    return central is not None and bool((central.labels >= 0).any())


def _check_seeds(settings: StudySettings) -> None:
    seeds = list(settings.seeds)
    if not seeds:
        raise SettingError("seeds: must hold at least one number, received []; write seeds = [0]")
    twice = sorted({seed for seed in seeds if seeds.count(seed) > 1})
    if twice:
        raise SettingError(f"seeds: must be distinct, received {seeds}; leave out the second {twice[0]}")


def _check_epsilons(settings: StudySettings) -> None:
    given = list(settings.privacy.epsilon)
    twice = sorted({epsilon for epsilon in given if given.count(epsilon) > 1})
    if twice:
        raise SettingError(f"privacy.epsilon: must be distinct, received {given}; leave out the second {twice[0]:g}")


def _seeds(settings: StudySettings) -> tuple[int, ...]:
    """Return the first seeds, as many as the budget allows, and those that follow where it allows more."""
    most = settings.budget.max_seeds or len(settings.seeds)
    following = range(max(settings.seeds) + 1, max(settings.seeds) + 1 + max(0, most - len(settings.seeds)))
    return (*settings.seeds, *following)[:most]


def _arm(name: str, table: Mapping[str, Any], settings: StudySettings) -> Arm:
    return with_defaults(parse_arm(name, table), settings.training, settings.model.trainable)


def _with_baseline(settings: StudySettings, *, good_start: bool) -> StudySettings:
    """Return the settings with the baseline that they name, or that a study of their kind has."""
    names = list(settings.arms or STANDARD)
    wanted = ("fedavg-pretrained", "fedavg") if good_start else ("fedavg",)
    baseline = settings.decision.baseline or next((name for name in wanted if name in names), names[0])
    if baseline not in names:
        raise SettingError(
            f"decision.baseline: must be one of the arms, received {baseline!r}; {nearest(baseline, names)}"
        )
    return dataclasses.replace(settings, decision=dataclasses.replace(settings.decision, baseline=baseline))


def _resolve_data(data: DataSettings, folder: Path) -> DataSettings:
    central = data.central
    if central is not None and central.source is not None:
        source = _resolve_source("data.central.source", central.source, folder)
        central = dataclasses.replace(central, source=source)
    return dataclasses.replace(data, source=_resolve_source("data.source", data.source, folder), central=central)


def _resolve_source(setting: str, source: str, folder: Path) -> str:
    if source.startswith("python:"):
        raise SettingError(
            f"{setting}: must be data that a file can name, received {source!r}, which was made in Python; "
            "give the federation to headstart.Study"
        )
    return source if source in _EMBEDDED or source.startswith("hub:") else resolve_path(setting, source, folder)


def _resolve_model(settings: StudySettings, folder: Path) -> ModelSpec:
    """Resolve a local checkpoint; other backbones are names, of a built-in network or on the Hub."""
    backbone = settings.model.backbone
    is_local = bool(_LOCAL.match(backbone)) or ("/" in backbone and (folder / backbone).exists())
    said = {"backbone": backbone, "weights": settings.model.weights, "tokenizer": settings.model.tokenizer}
    local = {"backbone": is_local, "weights": True, "tokenizer": bool(_LOCAL.match(said["tokenizer"] or ""))}
    return settings.model.spec(
        **{
            name: resolve_path(f"model.{name}", value, folder) if value and local[name] else value
            for name, value in said.items()
        }
    )


def _expand(setting: str, value: str) -> str:
    def expand(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name not in os.environ:
            raise SettingError(f"{setting}: environment variable {name} is not set, received {value!r}; {_help(name)}")
        return os.environ[name]

    return _VARIABLE.sub(expand, value)


def _help(variable: str) -> str:
    if variable != _DATA_VARIABLE:
        return f"set it first: export {variable}=…"
    return (
        "the presets need the project's data sets: docs/data.md says where to get them, scripts/get_data builds or "
        f"checks them; then set the variable to their folder: export {_DATA_VARIABLE}=/path/to/data"
    )
