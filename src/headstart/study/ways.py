"""How the engine would train a stage's clients: for a plan, which trains none."""

from __future__ import annotations

from typing import Any

from headstart.data.federation import pooled_client
from headstart.engine.fleet import Fleet
from headstart.engine.privates import PrivateStore
from headstart.engine.protocol import Job
from headstart.engine.rounds import batch_size_of, members
from headstart.engine.team import Team
from headstart.models.model import Model, cut_at
from headstart.study.lab import Lab


def way_of(lab: Lab, method: Any, *, from_scratch: bool) -> str:
    """Say how the engine would do a federated or a client-side stage.

    Args:
        lab: data, network, engine.
        method: what the clients do.
        from_scratch: whether the arm's weights are random, which some networks are built differently for.
    """
    if not isinstance(lab.engine, Fleet):
        return "one client after another"
    model = _cut(lab, method.trainable, from_scratch)
    is_pooled = getattr(method, "pooled", False)
    clients = members(pooled_client(lab.federation) if is_pooled else lab.federation.seen_clients)
    schedule = getattr(method, "schedule", None)
    size = min(schedule.cohort_size or len(clients), len(clients)) if schedule else len(clients)
    team, privates = Team(clients, lab.activations), PrivateStore({}, len(clients))
    return lab.engine.describe(Job(lambda *_: (), model, team, privates, None, batch_size_of(method), size, lab.dtype))


def _cut(lab: Lab, trainable: Any, from_scratch: bool) -> Model:
    network, weights = lab.build(0, from_scratch=from_scratch, num_classes=lab.federation.num_classes)
    return cut_at(network, weights, trainable)[0]
