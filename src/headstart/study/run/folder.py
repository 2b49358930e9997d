"""A run folder: finished nodes, records, and what a study says of itself."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from headstart.core.arrays import Array
from headstart.core.checked import check_table
from headstart.core.damage import Damaged
from headstart.core.files import read_json, remove_leftovers, write_json, write_text
from headstart.core.owner import owner_of
from headstart.core.progress import Silent, Tell
from headstart.core.sealed import AnyNeeds
from headstart.data.account_words import in_words
from headstart.data.federation import Federation
from headstart.evidence.decision import check_decision
from headstart.study.run.changes import differences, not_used, too_old
from headstart.study.run.nodes import NodeStore
from headstart.study.run.records import Records
from headstart.study.written.schema import FORMER, NEW, DecisionSettings, decision_hash

PLACE = "place.json"
"""Says where relative paths of the study file start."""

_JSON: Mapping[str, AnyNeeds] = {
    "federation.json": {"clients": list, "classes": list, "central": int, "key": str},
    "settings.json": {"data": dict, "decision": dict},
    "diagnosis.json": {"prediction": dict},
    "verdict.json": {"metric": str, "arms": dict},
    "costs.json": lambda arms: dict.fromkeys(arms, dict),
    "devices.json": lambda devices: dict.fromkeys(devices, dict),
    "tables.json": lambda tables: dict.fromkeys(tables, list),
    "ways.json": lambda ways: dict.fromkeys(ways, dict),
    PLACE: {"folder": str},
}
"""The folder's own files, and what they say where they are older than their checksums."""

_OWNED = ("settings.json", "diagnosis.json", "verdict.json", "devices.json")
"""Those that another folder's would be taken for; what is in the others is named by content."""

_TABLES = ("clients.parquet", "predictions.parquet")
_OLD: tuple[Mapping[str, Any], ...] = (FORMER, {})
"""Defaults of the decision that were others: those of before, and none."""

_SHOWN = 3
"""How many damaged files a line names."""

_MOST_LABELS = 500_000
"""Counts of classes at clients beyond which none is kept."""


class RunFolder:
    """One study's folder.

    Nothing in it is believed that is not what was written: it counts as never made.

    Args:
        path: of the folder; it need not be there yet.
        warn: told, in a line, of a node that is found damaged while the study runs.
    """

    def __init__(self, path: Path, warn: Tell | None = None) -> None:
        told = warn or Silent().warn
        self.path, self.records = path, Records(path / "records.jsonl")
        self.store = NodeStore(path, lambda error: told(error.note))

    def prepare(
        self,
        federation: Federation,
        fits: Callable[[Mapping[str, Any]], bool],
        settings: Mapping[str, Any],
        hashes: Mapping[str, str],
        *,
        is_here: bool = True,
    ) -> tuple[str, ...]:
        """Check the folder against the study, and take out what was made with other data or settings.

        Args:
            federation: the study's data.
            fits: says whether a record is what the study would make now.
            settings: of the study, defaults filled in, as JSON reads them.
            hashes: of the study and of its decision.
            is_here: whether predictions of examples come here, or stay at sites.

        Returns:
            A line on what is damaged, one on the records that are not used any more, and one on those without
            predictions, if there are any.

        Raises:
            DataError: the folder belongs to a study with another decision rule.
        """
        check_decision(self.records.all(), hashes["decision"], self._other_decision(settings))
        damaged = self._damaged()
        said = (*_in_a_line(damaged), *self._not_used(federation, fits, settings))
        lost = self._mend(damaged)
        remove_leftovers(self.path)
        now = _federation_facts(federation)
        now["clients"] = _with_labels(now["clients"], federation) if is_here else now["clients"]
        if self._is_other(now["key"], hashes["study"], fits):
            for name in ("diagnosis.json", "verdict.json", "devices.json"):
                (self.path / name).unlink(missing_ok=True)
        wanted = [line for line in self.records.all() if fits(line) and line not in lost]
        self.records.keep_only((line["arm"], line["seed"]) for line in wanted)
        write_json(self.path / "federation.json", {**now, "study": hashes["study"]})
        self.write("settings.json", settings)
        older = [line for line in self.lacking() if self.store.has(line["key"])] if is_here else []
        return (*said, too_old(older, len(self.records.all()))) if older else said

    def outdated(
        self, federation: Federation, fits: Callable[[Mapping[str, Any]], bool], settings: Mapping[str, Any]
    ) -> tuple[str, ...]:
        """Say what is damaged, which records a run would not use, and why; changes nothing.

        Arguments as ``prepare``.
        """
        damage = tuple(_in_a_line(self._damaged()))
        rule = self._other_decision(settings) if self.records.all() else []
        if rule:
            refused = f"[decision] changed ({'; '.join(rule)}): a run into this folder will be refused; give another"
            return (*damage, refused)
        return (*damage, *self._not_used(federation, fits, settings))

    def _not_used(
        self, federation: Federation, fits: Callable[[Mapping[str, Any]], bool], settings: Mapping[str, Any]
    ) -> Iterator[str]:
        lost = [line for line in self.records.all() if not fits(line)]
        if lost:
            before = (_with_new(self._read("settings.json")), settings)
            yield not_used(lost, (self._read("federation.json"), _federation_facts(federation)), before)

    def _damaged(self) -> list[Damaged]:
        """Read every file that a run reads, and say what is wrong with those that are damaged; changes nothing."""
        found = [*self.records.damaged, *filter(None, map(self._damage, (*_JSON, *_TABLES)))]
        if self.records.is_torn:
            found.append(Damaged(self.records.path, "its last line is cut off"))
        elif not self.records.all() and not self.records.damaged and (self.path / "verdict.json").exists():
            found.append(Damaged(self.records.path, "it has no line"))
        missing = {error.path: error for line in self.records.all() if (error := self.store.lost(line["key"]))}
        return [*found, *self.store.damaged(), *missing.values()]

    def _mend(self, damaged: Sequence[Damaged]) -> list[dict[str, Any]]:
        """Get what is damaged out of the way; return the records of runs that have to be made again."""
        found = [error for error in damaged if error.path != self.records.path]
        paths = {error.path for error in found}
        lost = [line for line in self.records.all() if any(self.store.names(key, paths) for key in line["nodes"])]
        for error in found:
            error.set_aside()
        return lost

    def _damage(self, name: str) -> Damaged | None:
        """Return what is wrong with one of the folder's own files."""
        try:
            if name in _TABLES:
                check_table(self.path / name)
            else:
                read_json(self.path / name, _JSON[name], owner_of(self.path) if name in _OWNED else "")
        except Damaged as error:
            return error
        return None

    def _read(self, name: str) -> dict[str, Any]:
        """Return what one of the folder's own files says; nothing where it is missing or damaged."""
        if self._damage(name):
            return {}
        return read_json(self.path / name, _JSON[name]) or {}

    def _is_other(self, key: str, study: str, fits: Callable[[Mapping[str, Any]], bool]) -> bool:
        """Say whether the folder was made with other data or settings: by its records, where its facts are lost."""
        before = self._read("federation.json")
        if before:
            return (before["key"], before.get("study")) != (key, study)
        return not all(fits(line) and line["study"] == study for line in self.records.all())

    def decision(self) -> dict[str, Any]:
        """Return the decision that the records were made for, as far as the folder says it; empty without records."""
        before = self._read("settings.json") or _written(self.path / "study.toml")
        if not before or not self.records.all():
            return {}
        # A study file does not say its defaults; the records say by a hash which of them it had.
        every = [{**asdict(DecisionSettings()), **old, **NEW["decision"], **before.get("decision", {})} for old in _OLD]
        hashes = {line.get("decision") for line in self.records.all()}
        return next((one for one in every if hashes == {decision_hash({"decision": one})}), every[0])

    def lacking(self) -> list[dict[str, Any]]:
        """Return the records of runs that have no predictions of examples: most are older than those."""
        return [line for line in self.records.all() if not self.store.has_tree(line["key"])]

    def _other_decision(self, settings: Mapping[str, Any]) -> list[str]:
        """Name the settings of the decision that were others when the folder was made, as far as it says them."""
        return differences({"decision": self.decision()}, {"decision": settings["decision"]})

    def write(self, name: str, value: Mapping[str, Any]) -> None:
        """Write one of the folder's own files, as what another folder's is not taken for."""
        write_json(self.path / name, value, owner_of(self.path))

    def keep_text(self, text: str, folder: Path | None = None) -> None:
        """Keep the study file as it was run, and from here the way to the folder where its relative paths start."""
        write_text(self.path / "study.toml", text)
        place = None if folder is None else {"folder": _way_to(folder, self.path)}
        if place and self._read(PLACE) != place:
            write_json(self.path / PLACE, place)

    def results(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Return every record with the facts of its last node."""
        return [(line, self.store.facts(line["key"])) for line in self.records.all()]

    def only(self, runs: Collection[tuple[str, int]]) -> RunFolder:
        """Return the folder as if it had but some runs, to read."""
        folder = copy(self)
        folder.records = self.records.only(runs)
        return folder

    def prune(self) -> None:
        """Delete weights that no record refers to."""
        self.store.prune({key for line in self.records.all() for key in line["nodes"]})


def _way_to(folder: Path, start: Path) -> str:
    """Return a relative path, so that both can be moved together; an absolute one to another drive."""
    try:
        return Path(os.path.relpath(folder, start)).as_posix()
    except ValueError:
        return folder.absolute().as_posix()


def _with_new(before: Mapping[str, Any]) -> dict[str, Any]:
    """Fill in the defaults of settings that a folder does not know yet."""
    return {name: {**NEW[name], **table} if name in NEW else table for name, table in before.items()}


def _written(file: Path) -> dict[str, Any]:
    """Return a study file's tables; nothing where there is none, or where a study was made in Python."""
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except ValueError:
        return {}
    return table if "data" in table and isinstance(table.get("decision", {}), dict) else {}


def _federation_facts(federation: Federation) -> dict[str, Any]:
    """Say what the data are: sizes, classes, clients, notes, and the account of how they were read."""
    account = federation.account
    return {
        "clients": [
            {"id": c.id, "seen": c.seen, "train": len(c.train), "val": len(c.val), "test": len(c.test)}
            for c in federation.clients
        ],
        "classes": list(federation.examples.classes),
        "outputs": list(federation.task.outputs),
        "central": len(federation.central) if federation.central else 0,
        "notes": list(federation.notes),
        "account": account and {**account.as_json(), "says": in_words(account)},
        "key": federation.key,
    }


def _with_labels(clients: list[dict[str, Any]], federation: Federation) -> list[dict[str, Any]]:
    """Say how many examples of each class every client has to train on and to test with, where there are classes."""
    classes, labels = len(federation.examples.classes), federation.examples.labels
    if federation.task.kind != "classification" or not 0 < classes * len(clients) <= _MOST_LABELS:
        return clients

    def counts(rows: Array) -> list[int]:
        own = np.asarray(labels[rows])
        return [int(count) for count in np.bincount(own[own >= 0], minlength=classes)]

    each = zip(clients, federation.clients, strict=True)
    return [{**said, "labels": {"train": counts(c.train), "test": counts(c.test)}} for said, c in each]


def _in_a_line(found: Sequence[Damaged]) -> Iterator[str]:
    """Say in one line what is damaged, if anything is, and what becomes of it."""
    if found:
        first = {error.path: error.why for error in reversed(found)}
        names = [f"{path.name} ({why})" for path, why in reversed(first.items())]
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        yield f"damaged, and not believed: {', '.join(names[:_SHOWN])}{more}; what is lost of it is computed again"
