"""A federation of arrays that are in memory already."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from headstart.data.federation import Federation
from headstart.data.open import federate
from headstart.data.settings import CentralSettings, DataSettings, Standardize, TaskName
from headstart.data.sources.arrays import array_source, holds_texts, label_names
from headstart.data.split_settings import PartitionSettings, SplitSettings
from headstart.data.standardize import UNSCALED


def from_arrays(
    inputs: Any,
    labels: Any,
    *,
    clients: Sequence[Any] | None = None,
    ids: Sequence[Any] | None = None,
    groups: Sequence[Any] | None = None,
    classes: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    task: TaskName = "auto",
    events: Sequence[Any] | None = None,
    central: tuple[Any, Any] | None = None,
    partition: PartitionSettings | None = None,
    split: SplitSettings | None = None,
    held_out_clients: float = 0.0,
    standardize: Standardize = "none",
    seed: int = 0,
) -> Federation:
    """Make a federation of arrays.

    Args:
        inputs: a table ``(examples, columns)`` of numbers, or images ``(examples, height, width)``,
            ``(examples, channels, height, width)`` or ``(examples, height, width, channels)`` of uint8, or texts.
        labels: class numbers or names, one per example; of several labels 0 and 1 ``(examples, labels)``; of a
            regression numbers ``(examples,)`` or ``(examples, targets)``; of survival times.
        clients: whose each example is; None needs ``partition``.
        ids: a unique name per example; None numbers them.
        groups: which examples belong together, such as windows of one recording; as ``data.split.group``.
        classes: class names; integer labels index into it. None takes the labels found, sorted. Of several labels or
            targets, their names.
        columns: names of a table's columns.
        task: as ``data.task``.
        events: of survival, 1 where the event was seen at the time and 0 where the example was only followed so long.
        central: inputs and labels (None: unlabelled) of the server's pool.
        partition: how to deal the examples to clients.
        split: shares of train, val and test; None means 0.6, 0.2 and 0.2.
        held_out_clients: share of clients that take no part in federated training, in [0, 1).
        standardize: as in ``DataSettings``, but arrays are taken as they are unless it is said: whoever gives arrays
            has made them ready, or holds features whose scale means something. Columns whose sizes lie more than
            two orders of magnitude apart are warned of.
        seed: decides partition, split and held-out clients.

    Raises:
        DataError: the arrays do not fit each other or break a rule.
        SettingError: the settings cannot be met.

    >>> import numpy as np
    >>> inputs, labels = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
    >>> federation = from_arrays(inputs, labels, clients=["north", "south"] * 20)
    >>> [(client.id, len(client.train)) for client in federation.clients]
    [('north', 12), ('south', 12)]
    """
    several = label_names(labels, classes)
    names = tuple(classes) if classes is not None else None
    source = array_source(
        inputs, labels, clients=clients, ids=ids, groups=groups, classes=names, columns=columns, events=events
    )
    pool, pool_settings = None, None
    if central is not None:
        pool = array_source(*central, classes=names, columns=columns, name="central arrays")
        pool_settings = CentralSettings(source=pool.name, unlabelled=central[1] is None)
    settings = DataSettings(
        source=source.name,
        classes=names if several is None else None,
        labels=several,
        event=None if events is None else "event",
        task=task,
        text="text" if holds_texts(inputs) else None,
        columns=tuple(columns) if columns is not None else None,
        partition=partition,
        split=replace(split or SplitSettings(), group=None if groups is None else "group"),
        held_out_clients=held_out_clients,
        standardize=standardize,
        seed=seed,
        central=pool_settings,
    )
    federation = federate(source, settings, pool)
    for note in federation.notes:
        if note.startswith(UNSCALED):
            warnings.warn(note, stacklevel=2)
    return federation
