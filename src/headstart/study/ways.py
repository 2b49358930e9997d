"""How the engine would train a stage's clients: for a plan, which trains none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headstart.data.federation import Client, pooled_client
from headstart.engine.clients import Clients
from headstart.engine.privates import PrivateStore
from headstart.engine.protocol import Job
from headstart.engine.rounds import batch_size_of, members
from headstart.engine.ways.fleet import Fleet
from headstart.engine.ways.placement import Placement
from headstart.models.model import Model
from headstart.study.lab import Lab


def placement_of(lab: Lab, model: Model, method: Any) -> Placement | None:
    """Return how the engine would do a federated or a client-side stage; None if it does one client after another.

    Args:
        lab: data, network, engine.
        model: cut as the method says.
        method: what the clients do.
    """
    if not isinstance(lab.engine, Fleet):
        return None
    clients, cohort_size = _who(lab, method)
    team, privates = Clients(clients, lab.activations), PrivateStore({}, len(clients))
    job = Job(lambda *_: (), model, team, privates, None, batch_size_of(method), cohort_size, lab.dtype)
    return lab.engine.placement(job)


def _who(lab: Lab, method: Any) -> tuple[Sequence[Client], int]:
    """Return who may take part, and how many do at once: in a client-side stage everyone."""
    if not hasattr(method, "schedule"):
        return lab.federation.clients, len(lab.federation.clients)
    clients = members(pooled_client(lab.federation) if method.pooled else lab.federation.seen_clients)
    return clients, method.schedule.cohort_of(len(clients))
