"""A federation: clients, each an index into one set of examples, and an optional central pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from headstart.core.arrays import Array
from headstart.core.content import hash_array, hash_json
from headstart.core.task import Task
from headstart.data.account import Account
from headstart.data.examples import Examples

Split = Literal["train", "val", "test"]


@dataclass(frozen=True, eq=False)
class Client:
    """One data holder: which examples it trains, validates and tests on.

    Attributes:
        id: unique name.
        train: indices into the federation's examples, int64.
        val: as ``train``; may be empty.
        test: as ``train``; may be empty.
        seen: False for a held-out client, which takes no part in federated training.
    """

    id: str
    train: Array
    val: Array
    test: Array
    seen: bool = True

    def indices(self, split: Split) -> Array:
        """Return the indices of one split."""
        return {"train": self.train, "val": self.val, "test": self.test}[split]


@dataclass(frozen=True, eq=False)
class Scaling:
    """How a table's numbers became inputs: holes filled, then ``(value - center) / scale``; each ``(columns,)``.

    Attributes:
        fill: what an empty cell holds, in the column's own unit.
        center: what is taken away; 0 where columns are not scaled.
        scale: what is divided by; 1 where columns are not scaled.
    """

    fill: Array
    center: Array
    scale: Array


@dataclass(frozen=True, eq=False)
class Federation:
    """Clients over one set of examples, and what the server may use.

    Attributes:
        examples: every client's examples, stored once.
        clients: in a fixed order, ids unique.
        central: the server's own pool, disjoint from the clients' examples; None when there is none.
        notes: what a reader should know of the data (left-out images, clients too small to split, …), one
            line each.
        account: what was read and what became of it, the central pool's with it; None where nothing was read, as
            at a server whose clients are elsewhere.
        fixed_val: whether the data itself says which examples are val, so that no seed draws them anew.
        elsewhere: names the content of examples that are not here; empty where all are.
        scalings: how each client's columns were filled and scaled, by its id; empty where they are no table.
    """

    examples: Examples
    clients: Sequence[Client]
    central: Examples | None = None
    notes: tuple[str, ...] = field(default=())
    fixed_val: bool = False
    account: Account | None = None
    elsewhere: str = ""
    scalings: Mapping[str, Scaling] = field(default_factory=dict)

    @property
    def num_classes(self) -> int:
        """Number of classes, or of strata of another task's targets."""
        return len(self.examples.classes)

    @property
    def task(self) -> Task:
        """What is to be predicted."""
        return self.examples.task

    @property
    def seen_clients(self) -> list[Client]:
        """Clients that may take part in federated training."""
        return [client for client in self.clients if client.seen]

    def class_counts(self, split: Split = "train") -> Array:
        """Count labels per client: ``(clients, classes)`` int64."""
        labels = self.examples.labels
        rows = [np.bincount(labels[c.indices(split)], minlength=self.num_classes) for c in self.clients]
        return np.stack(rows).astype(np.int64)

    @cached_property
    def key(self) -> str:
        """Content hash; the order of the clients does not matter."""
        members = {
            c.id: [c.seen, *(hash_array(part.astype(np.int64)) for part in (c.train, c.val, c.test))]
            for c in self.clients
        }
        elsewhere = [self.elsewhere] if self.elsewhere else []
        return hash_json([self.examples.key, members, self.central.key if self.central else None, *elsewhere])


def pooled_client(federation: Federation) -> list[Client]:
    """Return one client who has all seen clients' training data, in an order that no client's place decides."""
    train = np.sort(np.concatenate([client.train for client in federation.seen_clients]))
    nothing = train[:0]
    return [Client("pooled", train, nothing, nothing)]
