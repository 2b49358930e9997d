"""How the engine trains a stage's clients: chosen once for a run folder, and foretold for a plan, which trains none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from headstart.data.federation import Client, pooled_client
from headstart.engine.clients import Clients
from headstart.engine.privates import PrivateStore
from headstart.engine.protocol import Engine, Job
from headstart.engine.rounds import batch_size_of, members
from headstart.engine.ways.fleet import Fleet
from headstart.engine.ways.kept import KeptWays
from headstart.engine.ways.placement import Placement
from headstart.models.model import Model
from headstart.study.lab import Lab


def keeping(engine: Engine, folder: Path) -> Engine:
    """Return the engine that keeps to the ways in a run folder, and keeps there what it chooses."""
    return replace(engine, kept=KeptWays(folder)) if isinstance(engine, Fleet) else engine


def placement_of(lab: Lab, engine: Engine, model: Model, method: Any) -> Placement | None:
    """Return how the engine would do a federated or a client-side stage; None if it does one client after another.

    Args:
        lab: data and network.
        engine: that would do it.
        model: cut as the method says.
        method: what the clients do.
    """
    if not isinstance(engine, Fleet):
        return None
    clients, cohort_size = _who(lab, method)
    team, privates = Clients(clients, lab.activations), PrivateStore({}, len(clients))
    # As the stage's own job: else the way that its run has kept would not be found.
    is_summed = getattr(method, "reduce", "") == "sum"
    return engine.placement(
        Job(
            lambda *_: (),
            model,
            team,
            privates,
            batch_size=batch_size_of(method),
            cohort_size=cohort_size,
            dtype=lab.dtype,
            is_summed=is_summed,
        )
    )


def _who(lab: Lab, method: Any) -> tuple[Sequence[Client], int]:
    """Return who may take part, and how many do at once: in a client-side stage everyone."""
    if not hasattr(method, "schedule"):
        return lab.federation.clients, len(lab.federation.clients)
    clients = members(pooled_client(lab.federation) if method.pooled else lab.federation.seen_clients)
    return clients, method.schedule.cohort_of(len(clients))
