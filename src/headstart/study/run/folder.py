"""A run folder: finished nodes, records, and what a study says of itself."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection, Mapping
from copy import copy
from dataclasses import asdict
from pathlib import Path
from typing import Any

from headstart.core.files import read_json, remove_leftovers, write_json, write_text
from headstart.data.account_words import in_words
from headstart.data.federation import Federation
from headstart.evidence.decision import check_decision
from headstart.study.run.changes import differences, not_used, too_old
from headstart.study.run.nodes import NodeStore
from headstart.study.run.records import Records, client_rows
from headstart.study.written.schema import FORMER, NEW, DecisionSettings


class RunFolder:
    """One study's folder.

    Args:
        path: of the folder; it need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.store, self.records = path, NodeStore(path), Records(path / "records.jsonl")

    def prepare(
        self,
        federation: Federation,
        fits: Callable[[Mapping[str, Any]], bool],
        settings: Mapping[str, Any],
        hashes: Mapping[str, str],
    ) -> tuple[str, ...]:
        """Check the folder against the study, and take out what was made with other data or settings.

        Args:
            federation: the study's data.
            fits: says whether a record is what the study would make now.
            settings: of the study, defaults filled in, as JSON reads them.
            hashes: of the study and of its decision.

        Returns:
            A line on the records that are not used any more, and one on those without predictions, if there are any.

        Raises:
            DataError: the folder belongs to a study with another decision rule.
        """
        check_decision(self.records.all(), hashes["decision"], self._other_decision(settings))
        said = self.outdated(federation, fits, settings)
        remove_leftovers(self.path)
        before, now = self._facts(), _federation_facts(federation)
        if (before.get("key"), before.get("study")) != (now["key"], hashes["study"]):
            for name in ("diagnosis.json", "verdict.json"):
                (self.path / name).unlink(missing_ok=True)
        self.records.keep_only((line["arm"], line["seed"]) for line in self.records.all() if fits(line))
        write_json(self.path / "federation.json", {**now, "study": hashes["study"]})
        write_json(self.path / "settings.json", settings)
        older = [line for line in self.lacking() if self.store.has(line["key"])]
        return (*said, too_old(older, len(self.records.all()))) if older else said

    def outdated(
        self, federation: Federation, fits: Callable[[Mapping[str, Any]], bool], settings: Mapping[str, Any]
    ) -> tuple[str, ...]:
        """Say which records a run would not use, and why; changes nothing. Arguments as ``prepare``."""
        rule = self._other_decision(settings) if self.records.all() else []
        if rule:
            return (f"[decision] changed ({'; '.join(rule)}): a run into this folder will be refused; give another",)
        lost = [line for line in self.records.all() if not fits(line)]
        before = (_with_new(read_json(self.path / "settings.json") or {}), settings)
        return (not_used(lost, (self._facts(), _federation_facts(federation)), before),) if lost else ()

    def decision(self) -> dict[str, Any]:
        """Return the decision that the records were made for, as far as the folder says it; empty without records."""
        before = read_json(self.path / "settings.json") or _written(self.path / "study.toml")
        if not before or not self.records.all():
            return {}
        # A study file does not say its defaults.
        return {**asdict(DecisionSettings()), **FORMER, **NEW["decision"], **before.get("decision", {})}

    def lacking(self) -> list[dict[str, Any]]:
        """Return the records of runs that have no predictions of examples: most are older than those."""
        return [line for line in self.records.all() if not self.store.has_tree(line["key"])]

    def _facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = read_json(self.path / "federation.json") or {}
        return facts

    def _other_decision(self, settings: Mapping[str, Any]) -> list[str]:
        """Name the settings of the decision that were others when the folder was made, as far as it says them."""
        return differences({"decision": self.decision()}, {"decision": settings["decision"]})

    def keep_text(self, text: str) -> None:
        """Keep the study file as it was run."""
        write_text(self.path / "study.toml", text)

    def results(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Return every record with the facts of its last node."""
        return [(line, self.store.facts(line["key"])) for line in self.records.all()]

    def client_parts(self, federation: Federation) -> list[dict[str, list[Any]]]:
        """Return each run's rows of the client table, by column."""
        return [client_rows(line["arm"], line["seed"], federation, facts["metrics"]) for line, facts in self.results()]

    def only(self, runs: Collection[tuple[str, int]]) -> RunFolder:
        """Return the folder as if it had but some runs, to read."""
        folder = copy(self)
        folder.records = self.records.only(runs)
        return folder

    def prune(self) -> None:
        """Delete weights that no record refers to."""
        self.store.prune({key for line in self.records.all() for key in line["nodes"]})


def _with_new(before: Mapping[str, Any]) -> dict[str, Any]:
    """Fill in the defaults of settings that a folder does not know yet."""
    return {name: {**NEW[name], **table} if name in NEW else table for name, table in before.items()}


def _written(file: Path) -> dict[str, Any]:
    """Return a study file's tables; nothing where there is none, or where a study was made in Python."""
    table = tomllib.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return table if "data" in table else {}


def _federation_facts(federation: Federation) -> dict[str, Any]:
    """Say what the data are: sizes, classes, clients, notes, and the account of how they were read."""
    account = federation.account
    return {
        "clients": [
            {"id": c.id, "seen": c.seen, "train": len(c.train), "val": len(c.val), "test": len(c.test)}
            for c in federation.clients
        ],
        "classes": list(federation.examples.classes),
        "central": len(federation.central) if federation.central else 0,
        "notes": list(federation.notes),
        "account": account and {**account.as_json(), "says": in_words(account)},
        "key": federation.key,
    }
