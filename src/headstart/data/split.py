"""Each client's train, val and test; which clients are held out.

The test split and the held-out clients depend on ``data.seed`` alone. Val is drawn from what is left and may
be drawn anew for each seed of a study (``resplit``), so no seed ever trains or selects on a test example.

A client too small for its shares: with one example it has train only; with two, train and test (train and val
where no test is asked for); with more, every split that is asked for has at least one. Such clients are named
in the notes. Where rows belong to groups, it is the same with groups in the place of examples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from headstart.core import seeds
from headstart.core.arrays import Array
from headstart.core.errors import SettingError
from headstart.data.federation import Client, Federation
from headstart.data.groups import whole_groups
from headstart.data.partition import Members
from headstart.data.split_names import SPLIT_NAMES, split_of
from headstart.data.split_settings import SplitSettings
from headstart.data.subsample import stratified


def split_client(
    labels: Array, rows: Array, settings: SplitSettings, seed: int, client: str, groups: Array | None = None
) -> Client:
    """Draw a client's test from its rows, then its val, class by class, and whole ``groups`` where there are any."""
    num_val, num_test = split_sizes(len(rows), settings)
    keep = 2 if settings.val else 1
    rest, test = _draw(labels, rows, num_test, seed, "test", client, groups, keep)
    train, val = _draw(labels, rest, num_val, seed, "val", client, groups)
    return Client(client, train, val, test)


def split_sizes(count: int, settings: SplitSettings) -> tuple[int, int]:
    """Return how many of ``count`` examples should be val and test.

    >>> split_sizes(10, SplitSettings()), split_sizes(3, SplitSettings()), split_sizes(2, SplitSettings())
    ((2, 2), (1, 1), (0, 1))
    """
    wanted = [max(1, round(count * share)) if share else 0 for share in (settings.val, settings.test)]
    if sum(wanted) < count:
        return wanted[0], wanted[1]
    test = int(settings.test > 0 and count > 1)
    val = int(settings.val > 0 and count > 1 + test)
    return val, test


def split_by_column(
    labels: Array,
    members: Members,
    values: Sequence[str | None],
    settings: SplitSettings,
    seed: int,
    *,
    fixed_val: bool = False,
    groups: Array | None = None,
) -> list[Client]:
    """Split every client by what a column says; val is drawn from train where no row says val, here or elsewhere.

    Raises:
        DataError: a value means none of train, val, test.
    """
    said = np.array([split_of(value, str(settings.column)) or "unused" for value in values])
    has_val = fixed_val or bool((said == "val").any())
    clients = []
    for name, rows in members.items():
        train, val, test = (rows[said[rows] == split] for split in ("train", "val", "test"))
        if not has_val and settings.val and len(train) > 1:
            share = settings.val / (settings.train + settings.val)
            train, val = _draw(labels, train, max(1, round(len(train) * share)), seed, "val", name, groups)
        clients.append(Client(name, train, val, test))
    return clients


def column_has_val(values: Sequence[str | None]) -> bool:
    """Say whether a split column itself names val examples."""
    return any(SPLIT_NAMES.get(str(value).strip().lower()) == "val" for value in values)


def resplit(federation: Federation, seed: int) -> Federation:
    """Draw train and val anew from their union, keyed by ``seed``; test, sizes and held-out clients stay.

    A federation whose val is fixed by a column is returned as it is.
    """
    if federation.fixed_val:
        return federation
    labels, groups = federation.examples.labels, federation.examples.groups
    return replace(federation, clients=[_redraw(labels, client, seed, groups) for client in federation.clients])


def hold_out(clients: Sequence[Client], share: float, seed: int) -> list[Client]:
    """Mark a share of the clients as unseen, at least one and never all.

    Raises:
        SettingError: there are fewer than two clients.
    """
    if not share:
        return list(clients)
    if len(clients) < 2:
        raise SettingError(
            f"data.held_out_clients: {share:g} of {len(clients)} client leaves none to train; set it to 0 "
            "or make more clients"
        )
    count = min(max(1, round(share * len(clients))), len(clients) - 1)
    ids = sorted(client.id for client in clients)
    chosen = set(seeds.numpy_generator(seed, "held_out").permutation(ids)[:count].tolist())
    return [replace(client, seen=client.id not in chosen) for client in clients]


def cap_train(labels: Array, client: Client, count: int | None, seed: int) -> Client:
    """Keep at most ``count`` of a client's training examples, class by class."""
    if count is None or len(client.train) <= count:
        return client
    _, train = _draw(labels, client.train, count, seed, "cap", client.id)
    return replace(client, train=train)


def _redraw(labels: Array, client: Client, seed: int, groups: Array | None) -> Client:
    both = np.sort(np.concatenate([client.train, client.val]))
    train, val = _draw(labels, both, len(client.val), seed, "val", client.id, groups)
    return replace(client, train=train, val=val)


def _draw(
    labels: Array,
    rows: Array,
    count: int,
    seed: int,
    use: str,
    client: str,
    groups: Array | None = None,
    keep: int = 1,
) -> tuple[Array, Array]:
    """Return what is left, ``keep`` groups at least, and what is drawn, both ascending."""
    rng = seeds.numpy_generator(seed, "split", use, client)
    if groups is None:
        chosen = stratified(labels[rows], count, rng)
    else:
        chosen = whole_groups(labels[rows], groups[rows], count, rng, keep)
    return np.delete(rows, chosen), rows[chosen]
