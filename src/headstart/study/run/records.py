"""Records: what a run folder says of every arm and seed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from headstart.core.checked import write_table
from headstart.core.damage import Damaged
from headstart.core.files import append_json_line, read_json_lines, write_json_lines
from headstart.core.sealed import Needs
from headstart.core.version import __version__
from headstart.costs.arm import ArmCosts
from headstart.costs.example_privacy import hides_examples
from headstart.data.federation import Federation
from headstart.evidence.fits import Fits, fit_findings
from headstart.evidence.learnt import Conduct, Finding, findings
from headstart.evidence.measured import Facts
from headstart.evidence.metrics import measure_of, run_metrics
from headstart.evidence.scores import COLUMNS
from headstart.study.run.computed_on import computed_on
from headstart.study.run.nodes import Node
from headstart.study.run.pipeline import Pipeline
from headstart.study.run.promises import promised
from headstart.study.run.trunk import Trunk
from headstart.study.written.arms import Arm
from headstart.study.written.sentence import sentence
from headstart.training.local import LocalTraining


def record(
    *,
    arm: Arm,
    pipeline: Pipeline,
    trunk: Trunk,
    leaf: Node,
    costs: ArmCosts,
    tuning: Sequence[Mapping[str, Any]],
    hashes: Mapping[str, str],
    seconds: float,
    runs: int = 1,
) -> dict[str, Any]:
    """Build one line of ``records.jsonl``.

    Args:
        arm: as run.
        pipeline: of this seed.
        trunk: what its stages before adaptation have come to.
        leaf: its last node.
        costs: of the arm.
        tuning: the trials that were made.
        hashes: of the study and of its decision.
        seconds: that computing it took.
        runs: on the same clients, that the choice of its settings rests on.
    """
    leaf_key = pipeline.leaf_key(trunk.key, arm.adapt, pipeline.final_views)
    facts = leaf.facts
    excluded = [*(asdict(exclusion) for exclusion in trunk.excluded), *facts["excluded"]]
    found = noticed(arm, pipeline, trunk, facts, trials=len(tuning))
    clients = len(pipeline.federation.clients)
    kept = _kept(facts, clients)
    work = pipeline.work
    lost = None if work.is_here else pipeline.max_bad_clients
    return {
        "arm": arm.name,
        "seed": pipeline.seed,
        "key": leaf_key,
        **hashes,
        "nodes": [*trunk.keys, leaf_key],
        "settings": arm.as_json(),
        "says": sentence(arm),
        "reference": any(stage.build().pooled for stage in arm.federate),
        "tuning": list(tuning),
        "by_class": facts.get("by_class") or {},
        "metrics": summary(facts, pipeline.federation, pipeline.metric),
        "curve": list(trunk.curve),
        "traffic": asdict(trunk.traffic),
        "costs": costs.as_json(),
        "privacy": promised(arm, pipeline.federation, runs, lost, masked=work.is_masked),
        "accepted": facts["accepted"],
        "personal": trunk.shared.is_personal or not arm.adapt.build().changes_nothing,
        "kept": None if kept is None else f"kept by {kept} of {clients}",
        "learnt": None if found is None else [finding._asdict() for finding in found],
        "excluded": excluded,
        "timing": {"seconds": seconds},
        "versions": versions() | {"device": computed_on(pipeline.lab)},
    }


def _traits(arm: Arm, kept: int | None) -> dict[str, bool]:
    """Say how an arm trains, by what its methods say of themselves."""
    federate, adapt = [stage.build() for stage in arm.federate], arm.adapt.build()
    after = federate if adapt.changes_nothing or (federate and kept == 0) else [*federate, adapt]
    # What looks at no labels has nothing to show in predictions.
    stages = [method for method in after if getattr(method, "fits_head", True)]
    return {
        "labelled": bool(stages) or not after,
        "trains": bool(stages),
        "is_trained": arm.start.build().is_trained,
        "noisy": any(method.schedule.noise_multiplier for method in federate) or hides_examples(*federate, adapt),
        "by_steps": bool(stages) and isinstance(getattr(stages[-1], "local", None), LocalTraining),
        "may_refuse": not federate and adapt.accept,
    }


def noticed(
    arm: Arm, pipeline: Pipeline, trunk: Trunk, facts: Mapping[str, Any], *, trials: int
) -> tuple[Finding, ...] | None:
    """Say what is to be noticed of one arm and seed; None where its last node is older than the checks.

    Args:
        arm: as run.
        pipeline: of this seed.
        trunk: what its stages before adaptation have come to.
        facts: of its last node.
        trials: that were made.
    """
    if reason := facts.get("unchecked"):
        return (Finding("not checked", reason),)
    if facts.get("learnt") is None:
        return None
    clients = len(pipeline.federation.clients)
    excluded = [*(asdict(exclusion) for exclusion in trunk.excluded), *facts["excluded"]]
    conduct = _conduct_of(
        arm,
        excluded,
        kept=_kept(facts, clients),
        clients=clients,
        span=facts.get("span") or pipeline.lab.span,
        trials=trials,
        halved=trunk.halved,
    )
    learnt = facts["learnt"]
    return fit_findings(Fits.of_json(learnt), conduct) if "fits" in learnt else findings(Facts.of_json(learnt), conduct)


def _conduct_of(
    arm: Arm,
    excluded: Sequence[Mapping[str, Any]],
    *,
    kept: int | None,
    clients: int,
    span: float,
    trials: int = 1,
    halved: Sequence[str] = (),
) -> Conduct:
    """Say how an arm trained.

    Args:
        arm: as run.
        excluded: for each time that a client was left out, ``client`` and ``reason``.
        kept: clients that kept their adaptation; None where there is none.
        clients: all of them.
        span: how far the scales of the inputs' columns lie apart.
        trials: that were made.
        halved: clients that counted half of a mean.
    """
    left_out = [(one["client"], one["reason"]) for one in excluded]
    traits = _traits(arm, kept)
    halves = tuple(dict.fromkeys(halved))
    return Conduct(**traits, kept=kept, clients=clients, left_out=left_out, span=span, trials=trials, halved=halves)


def _kept(facts: Mapping[str, Any], clients: int) -> int | None:
    """Return how many clients kept their adaptation; None where there is none."""
    return None if facts["accepted"] is None else round(facts["accepted"] * clients)


def summary(facts: Mapping[str, Any], federation: Federation, metric: str) -> dict[str, float | None]:
    """Summarise a run's test metrics; all None when no client has test examples."""
    clients = {name: to_array(values) for name, values in facts["metrics"].get("test", {}).items()}
    if not clients:
        return {}
    seen = np.array([client.seen for client in federation.clients])
    return run_metrics(clients, facts["pooled"].get("test", {}), seen, measure_of(metric, federation.task))


def to_array(values: Iterable[float | None]) -> np.ndarray[Any, Any]:
    """Undo the None for NaN of JSON."""
    return np.array([np.nan if value is None else value for value in values])


def versions() -> dict[str, str]:
    """Return the versions that numbers may depend on."""
    import torch

    return {"headstart": __version__, "torch": torch.__version__, "numpy": np.__version__}


def client_rows(arm: str, seed: int, federation: Federation, metrics: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return one run's rows of ``clients.parquet``, by column."""
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for view, found in metrics.items():
        for name, values in found.items():
            for client, value in zip(federation.clients, values, strict=True):
                for column, cell in zip(columns, (arm, seed, client.id, client.seen, view, name, value), strict=True):
                    columns[column].append(cell)
    return columns


def write_clients(path: Path, parts: Iterable[Mapping[str, list[Any]]]) -> None:
    """Write ``clients.parquet``."""
    import pyarrow as pa
    from pyarrow import parquet

    types = (pa.string(), pa.int64(), pa.string(), pa.bool_(), pa.string(), pa.string(), pa.float64())
    schema = pa.schema(list(zip(COLUMNS, types, strict=True)))
    tables = [pa.table(dict(part), schema=schema) for part in parts]
    table = pa.concat_tables(tables) if tables else schema.empty_table()
    write_table(path, lambda temporary: parquet.write_table(table, temporary))


_NEEDS: Needs = {
    "arm": str,
    "seed": int,
    "key": str,
    "nodes": list,
    "settings": dict,
    "tuning": list,
    "metrics": dict,
    "curve": list,
}
"""What a line must say that is older than its checksum."""


class Records:
    """The file ``records.jsonl`` of a run folder: appended and synced, read back to resume.

    A line that is not what was written does not count; the others do.

    Args:
        path: of the file.

    Attributes:
        damaged: what is wrong with lines that do not count, or with the file.
        is_torn: whether the last line does not end, as a kill may leave it; it does not count either.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damaged: list[Damaged] = []
        self._lines: dict[tuple[str, int], dict[str, Any]] = {}
        every = read_json_lines(path, _NEEDS, self.damaged.append)
        self._lines.update({(line["arm"], line["seed"]): line for line in every})
        self._is_doubled = len(every) > len(self._lines)
        self.is_torn = path.is_file() and path.read_bytes()[-1:] not in (b"\n", b"")

    def get(self, arm: str, seed: int) -> dict[str, Any] | None:
        """Return a run's record."""
        return self._lines.get((arm, seed))

    def all(self) -> list[dict[str, Any]]:
        """Return every record."""
        return list(self._lines.values())

    def only(self, runs: Collection[tuple[str, int]]) -> Records:
        """Return some of the records, by arm and seed, to read."""
        some = copy(self)
        some._lines = {key: line for key, line in self._lines.items() if key in runs}
        return some

    def put(self, line: dict[str, Any]) -> None:
        """Append a record; one that it replaces is taken out of the file first."""
        key = (line["arm"], line["seed"])
        if self._lines.pop(key, None) is not None:
            self._rewrite()
        append_json_line(self.path, line)
        self._lines[key] = line

    def keep_only(self, wanted: Iterable[tuple[str, int]]) -> None:
        """Take out records of arms and seeds that the study no longer has, and lines that are bad or stand twice."""
        kept = {key: self._lines[key] for key in wanted if key in self._lines}
        if len(kept) < len(self._lines) or self.damaged or self.is_torn or self._is_doubled:
            self._lines = kept
            self._rewrite()

    def _rewrite(self) -> None:
        if self.path.is_dir():
            self.damaged[0].set_aside()
        write_json_lines(self.path, self._lines.values())
        self.damaged, self.is_torn, self._is_doubled = [], False, False
