"""What must hold of a federation, and what a reader should know of it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from headstart.core.errors import DataError
from headstart.data.examples import Examples
from headstart.data.federation import Client, Federation


def content_hashes(examples: Examples) -> list[bytes]:
    """Hash each example's input: equal inputs, equal hashes."""
    return [hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in examples.inputs]


def check_federation(federation: Federation) -> None:
    """Check that no example is in two places and that there is something to train on.

    Raises:
        DataError: an example is in two splits or clients, two clients share an id, or no seen client can train.
    """
    indices = np.concatenate([part for c in federation.clients for part in (c.train, c.val, c.test)])
    doubles = np.flatnonzero(np.bincount(indices, minlength=len(federation.examples)) > 1)
    if len(doubles):
        raise DataError(
            f"data: {len(doubles)} examples are in two places, such as '{federation.examples.ids[doubles[0]]}'; "
            f"give each example to one client and one split"
        )
    ids = [client.id for client in federation.clients]
    if len(set(ids)) < len(ids):
        raise DataError(
            f"data: client ids must be unique, received {len(ids) - len(set(ids))} doubles; rename them"
        )
    if not any(len(client.train) for client in federation.seen_clients):
        raise DataError("data: no client has a training example; give more data or a larger data.split.train")


def notes_on(federation: Federation) -> tuple[str, ...]:
    """Say what is odd: clients of one class, without val or test, with test classes they never train on; doubles."""
    clients, train, test = (
        federation.clients,
        federation.class_counts("train"),
        federation.class_counts("test"),
    )
    total = train + test + federation.class_counts("val")
    one_class = [c.id for c, row in zip(clients, total, strict=True) if (row > 0).sum() == 1]
    foreign = [c.id for c, a, b in zip(clients, train, test, strict=True) if ((a == 0) & (b > 0)).any()]
    candidates = [
        _named(one_class, "have examples of one class only"),
        _named([c.id for c in clients if not len(c.train)], "have nothing to train on"),
        _named(_lacking(clients, "val"), "have no val examples"),
        _named(_lacking(clients, "test"), "have no test examples"),
        _named(foreign, "are tested on classes that their train lacks"),
        _doubles(federation),
    ]
    return tuple(note for note in candidates if note)


def _lacking(clients: Sequence[Client], part: str) -> list[str]:
    """Name the clients without a split that others have."""
    lacking = [c.id for c in clients if not len(getattr(c, part))]
    return lacking if len(lacking) < len(clients) else []


def _named(ids: Sequence[str], what: str) -> str:
    if not ids:
        return ""
    more = ", …" if len(ids) > 5 else ""
    return f"{len(ids)} clients {what}: {', '.join(ids[:5])}{more}"


def _doubles(federation: Federation) -> str:
    """Count test examples whose very input some client trains on: a leak in the data itself."""
    hashes = content_hashes(federation.examples)
    trained = {
        hashes[i] for client in federation.clients for part in (client.train, client.val) for i in part
    }
    seen = sum(hashes[i] in trained for client in federation.clients for i in client.test)
    return f"{seen} test examples have the same input as a train or val example" if seen else ""
