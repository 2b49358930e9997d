"""A run folder, read: what was asked, what every run measured, and what was decided.

The folder holds ``records.jsonl`` (needed, or ``federation.json`` of a study that has only begun), ``study.toml``,
``federation.json``, ``diagnosis.json``, ``clients.parquet``, ``devices.json``, ``verdict.json`` and, of a real
federation, ``network.jsonl``. Any of these may be missing, as in an unfinished study.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from headstart.core.damage import Damaged
from headstart.core.errors import DataError
from headstart.core.files import check_readable, read_json, read_json_lines
from headstart.core.owner import owner_of
from headstart.core.sealed import AnyNeeds
from headstart.evidence.metrics import Measure, measure_in
from headstart.evidence.scores import Scores, from_rows
from headstart.report.client_table import ClientTable, read_clients
from headstart.report.network_lines import Line, read_network

Json = Mapping[str, Any]

_NEEDS: Mapping[str, AnyNeeds] = {
    "verdict.json": {"metric": str},
    "diagnosis.json": {"prediction": dict},
    "federation.json": {"clients": list},
    "devices.json": lambda devices: dict.fromkeys(devices, dict),
}
"""What files must say that are older than their checksums."""


@dataclass(frozen=True)
class Run:
    """What a run folder says.

    Attributes:
        folder: Where it was read.
        study: ``study.toml`` as run, parsed; empty when it is missing.
        study_text: The same file's text.
        records: One mapping per arm and seed, the last one written where a pair stands twice.
        clients: ``clients.parquet`` by column.
        verdict: ``verdict.json``; empty before anything was judged.
        race: how the arms' race stands, from the same file; empty before it began, and in a folder of before races.
        diagnosis: ``diagnosis.json``, or the verdict's own copy; empty when none was made.
        federation: ``federation.json``: what the data are; empty when it is missing.
        devices: ``devices.json``: every arm on every device, modelled; empty when the study names no device.
        network: ``network.jsonl``: what happened over the network; empty of a simulation.
        notes: What a reader should know about the folder itself, in plain sentences.
    """

    folder: Path
    study: Json
    study_text: str
    records: tuple[Json, ...]
    clients: Mapping[str, NDArray[Any]]
    verdict: Json = field(default_factory=dict)
    race: Json = field(default_factory=dict)
    diagnosis: Json = field(default_factory=dict)
    federation: Json = field(default_factory=dict)
    devices: Json = field(default_factory=dict)
    network: tuple[Line, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The study's name, or the folder's."""
        return str(self.study.get("name") or self.folder.resolve().name)

    @property
    def metric(self) -> str:
        """The metric that decides."""
        return str(self.study.get("decision", {}).get("metric") or self.verdict.get("metric") or "accuracy")

    @property
    def measure(self) -> Measure:
        """What that metric means."""
        return measure_in({**self.verdict, "metric": self.metric})

    @property
    def baseline(self) -> str | None:
        """The arm that the others are compared with."""
        name = self.verdict.get("baseline") or self.study.get("decision", {}).get("baseline")
        return None if name is None else str(name)

    @property
    def arms(self) -> tuple[str, ...]:
        """Arms with at least one record, in the order they were first written."""
        return tuple(dict.fromkeys(str(record["arm"]) for record in self.records))

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds with at least one record, ascending."""
        return tuple(sorted({int(record["seed"]) for record in self.records}))

    @property
    def failed(self) -> Mapping[str, str]:
        """Arms whose training failed, with the reason; nothing is compared with them."""
        return dict(self.verdict.get("failed") or {})

    @property
    def so_far(self) -> Json:
        """The verdict with its race, which may be all there is yet."""
        return {**self.verdict, "race": self.race}

    def of(self, arm: str) -> tuple[Json, ...]:
        """The records of one arm."""
        return tuple(record for record in self.records if record["arm"] == arm)

    def scores(self, metric: str | None = None, split: str = "test") -> Scores:
        """One metric per arm, seed and client; the deciding metric on each client's own test by default."""
        if not isinstance(self.clients, ClientTable):
            return from_rows((), self.metric, split, arms=(), clients=())
        return self.clients.scores(metric or self.metric, split, self.arms)


def load_run(folder: str | Path) -> Run:
    """Read a run folder.

    Args:
        folder: What ``headstart study`` wrote.

    Raises:
        DataError: The folder is no run folder, or one of its files cannot be read.
    """
    folder = Path(folder)
    records, notes = _read_records(folder)
    study_text = _read_text(folder / "study.toml")
    verdict = _read_json(folder / "verdict.json")
    _check_copy(folder, study_text)
    _check_records(folder, records, verdict)
    race = verdict.get("race") or {}
    _check_answer(folder, verdict)
    # A race that has only begun stands there alone.
    verdict = verdict if {*verdict} - {"race"} else {}
    clients = read_clients(folder / "clients.parquet")
    federation = _read_json(folder / "federation.json")
    network, network_notes = read_network(folder, "data", federation.get("key", ""))
    return Run(
        folder=folder,
        study=_parse_toml(folder / "study.toml", study_text),
        study_text=study_text,
        records=records,
        clients=clients,
        verdict=verdict,
        race=race,
        diagnosis=_read_json(folder / "diagnosis.json") or verdict.get("diagnosis") or {},
        federation=federation,
        devices=_read_json(folder / "devices.json"),
        network=network,
        notes=(*notes, *network_notes, *(_missing(folder, verdict) if records else ())),
    )


def _check_copy(folder: Path, text: str) -> None:
    """Refuse a copy of the study file that was edited: pages show its rule and its metric.

    Raises:
        Damaged: its decision is not the one that was run.
    """
    run = _read_json(folder / "settings.json").get("decision", {})
    said = _parse_toml(folder / "study.toml", text).get("decision", {})
    for name, value in said.items() if isinstance(said, dict) else ():
        if name in run and run[name] != value:
            why = f"it is not what was run: decision.{name} was {run[name]}, is {value}"
            raise Damaged(folder / "study.toml", why)


_ANSWERED = ("answer", "leader", "headline", "scope", "expected_regret", "regret_upper", "metric", "min_effect")
"""What every verdict with an answer says."""


def _check_answer(folder: Path, verdict: Json) -> None:
    """Refuse a verdict that has grounds and not all of the answer that they are of.

    Raises:
        Damaged: something is lost.
    """
    lacking = [name for name in _ANSWERED if "grounds" in verdict and name not in verdict]
    if lacking:
        raise Damaged(folder / "verdict.json", f"it lacks {', '.join(lacking)}")


def _check_records(folder: Path, records: tuple[Json, ...], verdict: Json) -> None:
    """Refuse records that lack a run which the verdict rests on.

    Raises:
        Damaged: a line is lost, or the file is another run's.
    """
    lacking = set(verdict.get("rests_on", ())) - {record.get("key") for record in records}
    if lacking:
        why = f"it lacks {len(lacking)} of the runs that verdict.json rests on"
        raise Damaged(folder / "records.jsonl", why)


def _read_records(folder: Path) -> tuple[tuple[Json, ...], list[str]]:
    path, has_begun = folder / "records.jsonl", (folder / "federation.json").is_file()
    if not path.exists() and not has_begun:
        raise DataError(f"'{folder}' is no run folder: it has no records.jsonl; name one that 'headstart study' wrote")
    lines: list[Json] = read_json_lines(path, {"arm": str, "seed": int}) if path.exists() else []
    if not lines and has_begun:
        return (), []
    if not lines:
        raise DataError(f"'{path}' holds no finished run yet; run the study again to continue it, then report")
    latest = {(line["arm"], line["seed"]): line for line in lines}
    return tuple(latest.values()), _record_notes(path, lines, len(latest))


def _record_notes(path: Path, lines: list[Json], distinct: int) -> list[str]:
    notes = []
    if not path.read_bytes().endswith(b"\n"):
        notes.append("The last line of records.jsonl was cut off by a stop; it is not counted.")
    if distinct < len(lines):
        notes.append(f"{len(lines) - distinct} runs are recorded twice; the later record counts.")
    if len({line.get("decision") for line in lines}) > 1:
        notes.append("The records were made under different decision rules; the verdict does not mix them.")
    return notes


def _missing(folder: Path, verdict: Json) -> list[str]:
    said = {
        "study.toml": "study.toml is missing, so the settings cannot be shown.",
        "clients.parquet": "clients.parquet is missing, so nothing can be shown per client.",
    }
    notes = [note for name, note in said.items() if not (folder / name).exists()]
    return notes if verdict else [*notes, "There is no verdict yet: the study has not finished."]


def _read_text(path: Path) -> str:
    if path.is_dir():
        raise Damaged(path, "it is a folder")
    check_readable(path)
    try:
        return path.read_text(encoding="utf-8") if path.exists() else ""
    except UnicodeDecodeError:
        raise Damaged(path, "it is no text") from None


def _parse_toml(path: Path, text: str) -> Json:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise DataError(f"'{path}' is not valid TOML ({error}); run the study again into this folder") from error


def _read_json(path: Path) -> dict[str, Any]:
    owner = "" if path.name == "federation.json" else owner_of(path.parent)
    return read_json(path, _NEEDS.get(path.name, {}), owner) or {}
