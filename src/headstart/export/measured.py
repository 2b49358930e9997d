"""What a study measured of the very model that is exported: nothing of what its clients made of it later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from headstart.core.plain import finite
from headstart.evidence.metrics import MEASURES
from headstart.export.leaving import Leaving
from headstart.report.run import Run


@dataclass(frozen=True)
class Measured:
    """Scores on test examples.

    Attributes:
        of: over whom they are, or why there are none.
        values: by metric.
        clients: the deciding metric of each client.
    """

    of: str
    values: Mapping[str, float] = field(default_factory=dict)
    clients: Mapping[str, float] = field(default_factory=dict)


def measured(leaving: Leaving, run: Run) -> Measured:
    """Return what the run of this arm and seed measured of this model."""
    if leaving.client is not None:
        known = {*MEASURES, run.metric}
        found = {row[0]: row[2] for row in _rows(leaving, run) if row[1] == leaving.client.id and row[0] in known}
        return Measured(f"client {leaving.client.id}", found) if found else Measured(_NOTHING)
    if not leaving.opened.arm.adapt.build().changes_nothing:
        return Measured(_NOTHING)
    prefix = "client_"
    metrics: Mapping[str, float | None] = leaving.opened.line.get("metrics") or {}
    means = {name.removeprefix(prefix): value for name, value in metrics.items() if name.startswith(prefix)}
    values = {name: number for name, value in means.items() if (number := finite(value)) is not None}
    clients = {client: value for name, client, value in _rows(leaving, run) if name == run.metric}
    return Measured("mean over clients", values, clients) if values else Measured(_NOTHING)


_NOTHING = "nothing was measured of this very model on test examples"


def _rows(leaving: Leaving, run: Run) -> list[tuple[str, str, float]]:
    """Return metric, client and value of this run on clients' own test examples."""
    if not run.clients:
        return []
    names = ("arm", "seed", "split", "metric", "client", "value")
    rows = zip(*(run.clients[name].tolist() for name in names), strict=True)
    wanted = (leaving.opened.arm.name, leaving.opened.seed, "test")
    return [
        (metric, client, number)
        for arm, seed, split, metric, client, value in rows
        if (arm, seed, split) == wanted and (number := finite(value)) is not None
    ]
