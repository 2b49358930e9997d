"""A run folder: finished nodes, records, and what a study says of itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from headstart.core.files import read_json, remove_leftovers, write_json, write_text
from headstart.data.federation import Federation
from headstart.evidence.decision import check_decision
from headstart.study.run.nodes import NodeStore
from headstart.study.run.records import Records, client_rows, write_clients
from headstart.study.written.arms import Arm


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
        trials: Mapping[str, Sequence[Arm]],
        seeds: Iterable[int],
        hashes: Mapping[str, str],
    ) -> None:
        """Check the folder against the study, and take out what was made with other data or settings.

        Args:
            federation: the study's data.
            trials: the configurations of every arm, by its name; records of others go.
            seeds: of the study; records of others go.
            hashes: of the study and of its decision.

        Raises:
            DataError: the folder belongs to a study with another decision rule.
        """
        check_decision(self.records.all(), hashes["decision"])
        remove_leftovers(self.path)
        facts = {**_federation_facts(federation), "study": hashes["study"]}
        if read_json(self.path / "federation.json") != facts:
            self.records.keep_only([])
            (self.path / "diagnosis.json").unlink(missing_ok=True)
        wanted = [(name, seed) for name in trials for seed in seeds]
        self.records.keep_only(key for key in wanted if self._is_made_with(key, trials[key[0]]))
        write_json(self.path / "federation.json", facts)

    def keep_text(self, text: str) -> None:
        """Keep the study file as it was run."""
        write_text(self.path / "study.toml", text)

    def results(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Return every record with the facts of its last node."""
        return [(line, self.store.facts(line["key"])) for line in self.records.all()]

    def write_clients(self, federation: Federation) -> list[dict[str, list[Any]]]:
        """Write the client table; return each run's rows, by column."""
        parts = [client_rows(line["arm"], line["seed"], federation, facts["metrics"]) for line, facts in self.results()]
        write_clients(self.path / "clients.parquet", parts)
        return parts

    def prune(self) -> None:
        """Delete weights that no record refers to."""
        self.store.prune({key for line in self.records.all() for key in line["nodes"]})

    def _is_made_with(self, key: tuple[str, int], trials: Sequence[Arm]) -> bool:
        """Say whether a run has a record that was made with the settings its arm has now."""
        line = self.records.get(*key)
        return line is not None and line["settings"] in [trial.as_json() for trial in trials]


def _federation_facts(federation: Federation) -> dict[str, Any]:
    """Say what the data are: sizes, classes, clients, notes."""
    return {
        "clients": [
            {"id": c.id, "seen": c.seen, "train": len(c.train), "val": len(c.val), "test": len(c.test)}
            for c in federation.clients
        ],
        "classes": list(federation.examples.classes),
        "central": len(federation.central) if federation.central else 0,
        "notes": list(federation.notes),
        "key": federation.key,
    }
