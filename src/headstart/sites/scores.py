"""What sites say of an adaptation, as the facts of a study: one value for each client, none where none was told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from headstart.data.federation import Federation
from headstart.evidence.measured import measure
from headstart.evidence.metrics import metrics_of
from headstart.sites.said import Evaluated

_Said = Mapping[str, Evaluated]
_POOLED = {"accuracy", "log_loss", "brier", "hamming_accuracy", "mae"}
"""Means over examples, which clients' means make."""

_UNCHECKED = "no site lets scores leave by which to check whether it learnt anything"


def facts_of(said: _Said, federation: Federation, views: Sequence[str], *, is_kept: bool) -> dict[str, Any]:
    """Return the facts of an adaptation over sites.

    Args:
        said: by client.
        federation: all clients.
        views: that were asked for.
        is_kept: whether clients keep what they received, so that nothing was there to accept.
    """
    metrics = {view: _of_view(said, federation, view) for view in views}
    facts: dict[str, Any] = {
        "metrics": metrics,
        "pooled": {view: _pooled(found) for view, found in metrics.items()},
        "excluded": [one for each in said.values() for one in each.excluded],
        "accepted": None if is_kept else _accepted(said, len(federation.clients)),
        "span": max((one.span for one in said.values()), default=1.0),
        "kept_back": {name: one.kept_back for name, one in said.items() if one.kept_back},
    }
    return {**facts, **_learnt(said)} if "test" in views else facts


def _of_view(said: _Said, federation: Federation, view: str) -> dict[str, list[float | None]]:
    told = [said[client.id].metrics.get(view, {}) if client.id in said else {} for client in federation.clients]
    names = (*metrics_of(federation.task.kind), "num_examples")
    return {name: [one.get(name, (None,))[0] for one in told] for name in names}


def _pooled(found: Mapping[str, Sequence[float | None]]) -> dict[str, float | None]:
    """Return means over all clients' examples, of metrics that are means over examples."""
    pooled: dict[str, float | None] = dict.fromkeys(found)
    for name in _POOLED & found.keys():
        pairs = [(v, n) for v, n in zip(found[name], found["num_examples"], strict=True) if v is not None and n]
        if pairs:
            values, counts = zip(*pairs, strict=True)
            pooled[name] = float(np.average(values, weights=counts))
    return pooled


def _accepted(said: _Said, clients: int) -> float | None:
    """Return the share of clients that kept their adaptation; None where not all of them tell."""
    told = [one.accepted for one in said.values() if one.accepted is not None]
    return float(np.mean(told)) if len(told) == clients else None


def _learnt(said: _Said) -> dict[str, Any]:
    """Say what clients end with, beside what the start says there; or that nobody tells."""
    counted = [one.learnt for one in said.values() if one.learnt]
    return {"learnt": measure(counted).as_json()} if counted else {"learnt": None, "unchecked": _UNCHECKED}
