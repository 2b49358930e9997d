"""Dealing examples to clients: by a column, or by the partitioners of flwr-datasets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headstart.core import seeds
from headstart.core.arrays import Array
from headstart.core.errors import SettingError, require
from headstart.data.groups import usual_labels
from headstart.data.split_settings import PartitionSettings

Members = dict[str, Array]
"""Ascending indices of each client's examples, by the client's id."""


def by_name(names: Sequence[str | None]) -> Members:
    """Give each distinct name a client, in sorted order.

    >>> by_name(["b", "a", "b"])
    {'a': array([1]), 'b': array([0, 2])}
    """
    array = np.array([str(name) for name in names])
    return {str(name): np.flatnonzero(array == name) for name in np.unique(array)}


def deal(
    labels: Array,
    settings: PartitionSettings,
    seed: int,
    within: Sequence[str | None] | None = None,
    groups: Array | None = None,
) -> Members:
    """Deal examples to ``num_clients`` clients, or to that many in each group.

    Args:
        labels: class indices, ``(examples,)``.
        settings: method and its parameters.
        seed: decides the draw, with the value of ``within``.
        within: values of the column ``settings.within``; clients are then named after them.
        groups: rows that belong together, ``(examples,)``: they are dealt whole, each as one example of its most
            frequent class, and the settings' numbers of examples count them.

    Raises:
        SettingError: there are fewer examples than clients, or the draw cannot satisfy the settings.
        MissingExtra: flwr-datasets is not installed.
    """
    places = {"client": np.arange(len(labels))} if within is None else by_name(within)
    members: Members = {}
    for place, rows in places.items():
        key = seeds.derive(seed, "partition", *([] if within is None else [place]))
        if groups is None:
            dealt = _deal(labels[rows], settings, key, place)
        else:
            dealt = _deal_whole(labels[rows], groups[rows], settings, key, place)
        members |= {client: rows[part] for client, part in dealt.items()}
    return members


def _deal_whole(labels: Array, groups: Array, settings: PartitionSettings, seed: int, prefix: str) -> Members:
    usual, places = usual_labels(labels, groups)
    dealt = _deal(usual, settings, seed, prefix, "groups")
    return {client: np.flatnonzero(np.isin(places, part)) for client, part in dealt.items()}


def _deal(labels: Array, settings: PartitionSettings, seed: int, prefix: str, what: str = "examples") -> Members:
    _enough(len(labels), settings, what)
    # Row order must not matter: a partitioner that cuts consecutive pieces gets them shuffled.
    order = np.random.default_rng(seed).permutation(len(labels))
    if settings.examples_per_client is not None and settings.method != "dirichlet_clients":
        parts = [part[: settings.examples_per_client] for part in _partition(labels[order], settings, seed)]
    else:
        parts = _partition(labels[order], settings, seed)
    width = len(str(settings.num_clients - 1))
    return {f"{prefix}-{i:0{width}d}": np.sort(order[part]) for i, part in enumerate(parts)}


def _partition(labels: Array, settings: PartitionSettings, seed: int) -> list[Array]:
    """Repeat the draw with other seeds, ten in all, until it succeeds: a Dirichlet draw can be impossible to fill."""
    require("flwr_datasets", "partition")
    from headstart.data.partitioners import draw

    reason = ""
    for attempt in range(10):
        try:
            parts = draw(labels, settings, seeds.derive(seed, attempt))
        except ValueError as error:
            reason = str(error).splitlines()[0]
            continue
        if min(map(len, parts)) >= settings.min_examples:
            return parts
        reason = f"the smallest client has {min(map(len, parts))} examples"
    raise SettingError(
        f"data.partition: '{settings.method}' cannot deal {len(labels)} examples to {settings.num_clients} "
        f"clients of at least {settings.min_examples} ({reason}); raise alpha, or lower num_clients or "
        "min_examples"
    )


def _enough(examples: int, settings: PartitionSettings, what: str) -> None:
    if examples < settings.num_clients * settings.min_examples:
        raise SettingError(
            f"data.partition.num_clients: {examples} {what} cannot give {settings.num_clients} clients "
            f"at least {settings.min_examples} each; ask for fewer clients"
        )
