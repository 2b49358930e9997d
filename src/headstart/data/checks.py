"""What must hold of a federation, and what a reader should know of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from headstart.core.arrays import Array
from headstart.core.errors import DataError
from headstart.core.words import counted
from headstart.data.examples import Examples
from headstart.data.federation import Client, Federation, Split
from headstart.data.near_names import near_equal

_BY_NUMBER = re.compile(r":\d+$")
"""How the names of rows end that have none of their own."""


def check_federation(federation: Federation, *, whole: bool = True) -> None:
    """Check that no example is in two places and, if it is the ``whole``, that there is something to train on.

    Raises:
        DataError: an example is in two splits or clients, two clients share an id, or no seen client can
            train.
    """
    indices = np.concatenate([part for c in federation.clients for part in (c.train, c.val, c.test)])
    doubles = np.flatnonzero(np.bincount(indices, minlength=len(federation.examples)) > 1)
    if len(doubles):
        raise DataError(
            f"data: {len(doubles)} examples are in two places, such as "
            f"'{federation.examples.ids[doubles[0]]}'; give each example to one client and one split"
        )
    ids = [client.id for client in federation.clients]
    if len(set(ids)) < len(ids):
        raise DataError(f"data: client ids must be unique, received {len(ids) - len(set(ids))} doubles; rename them")
    if whole and not any(len(client.train) for client in federation.seen_clients):
        raise DataError("data: no client has a training example; give more data or a larger data.split.train")


def check_numbers(federation: Federation) -> None:
    """Check that clients have an example to train on whose inputs are all numbers; images and texts always are.

    Raises:
        DataError: they have none; the message names the columns.
    """
    examples, nothing = federation.examples, np.zeros(0, np.int64)
    train = np.concatenate([nothing, *(client.train for client in federation.seen_clients)])
    if examples.kind != "table" or not len(train):
        return
    holes = ~np.isfinite(examples.inputs[train])
    if holes.any(axis=1).all():
        where = counted("columns without any number", _columns(examples, holes.all(axis=0)))
        worst = counted(
            "most often missing in columns", _columns(examples, holes.sum(axis=0) == holes.sum(axis=0).max())
        )
        raise DataError(
            f"data: none of the {len(train)} training examples has numbers in all its inputs; {where or worst}; leave "
            "these columns out, or fill them (missing = 'mean')"
        )


def _columns(examples: Examples, which: Array) -> list[str]:
    names = examples.columns or [f"column {number}" for number in range(len(which))]
    return [name for name, is_one in zip(names, which, strict=True) if is_one]


def without_unused(federation: Federation) -> Federation:
    """Forget examples that no client holds, so that nothing is computed for them; the account counts them."""
    everyone = [part for c in federation.clients for part in (c.train, c.val, c.test)]
    used = np.unique(np.concatenate(everyone)).astype(np.int64)
    total = len(federation.examples)
    if len(used) == total:
        return federation
    index = np.full(total, -1, dtype=np.int64)
    index[used] = np.arange(len(used))
    clients = [replace(c, train=index[c.train], val=index[c.val], test=index[c.test]) for c in federation.clients]
    return replace(federation, examples=federation.examples.take(used), clients=clients)


def notes_on(federation: Federation) -> tuple[str, ...]:
    """Say what is odd: clients of one class, without val or test, with classes in test alone; doubles."""
    clients, train, test = (
        federation.clients,
        federation.class_counts("train"),
        federation.class_counts("test"),
    )
    found = (train + test + federation.class_counts("val")) > 0
    foreign = (train == 0) & (test > 0)
    has_classes = federation.task.is_classification
    candidates = [
        counted(
            "clients with one class only",
            [c.id for c, row in zip(clients, found, strict=True) if has_classes and row.sum() == 1],
        ),
        counted("clients without an event to learn from", _without_event(federation)),
        counted("clients with nothing to train on", [c.id for c in clients if not len(c.train)]),
        counted("clients without val examples", _lacking(clients, "val")),
        counted("clients without test examples", _lacking(clients, "test")),
        counted(
            "clients tested on classes that their train lacks",
            [c.id for c, row in zip(clients, foreign, strict=True) if has_classes and row.any()],
        ),
        _doubles(federation),
        _near("clients", [c.id for c in clients]),
        _near("classes", federation.task.outputs),
    ]
    return tuple(note for note in candidates if note)


def _without_event(federation: Federation) -> list[str]:
    """Name the clients that follow nobody until an event in train."""
    if federation.task.kind != "survival":
        return []
    events = federation.examples.truth[:, 1]
    return [client.id for client in federation.clients if len(client.train) and not events[client.train].any()]


def _lacking(clients: Sequence[Client], part: Split) -> list[str]:
    """Name the clients without a split that others have."""
    lacking = [c.id for c in clients if not len(c.indices(part))]
    return lacking if len(lacking) < len(clients) else []


def _near(what: str, names: Sequence[str]) -> str:
    groups = [" and ".join(map(repr, group)) for group in near_equal(names)]
    return counted(f"{what} whose names are nearly equal, and may be one", groups)


def _doubles(federation: Federation) -> str:
    """Count test examples whose very input some client trains on: a leak in the data itself."""
    hashes = federation.examples.row_hashes
    trained = {hashes[i] for c in federation.clients for part in (c.train, c.val) for i in part}
    doubles = [federation.examples.ids[i] for c in federation.clients for i in c.test if hashes[i] in trained]
    said = counted("test examples with the very input of a train or val example", doubles)
    return f"{said}; rows are counted from 0" if doubles and _BY_NUMBER.search(doubles[0]) else said
