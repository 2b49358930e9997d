"""Every client's rows divided into train, val and test, by what the settings name, and what is to say of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from headstart.core.arrays import Array
from headstart.data import split
from headstart.data.account import Findings, left_out
from headstart.data.dates import times_of
from headstart.data.examples import Examples
from headstart.data.federation import Client
from headstart.data.groups import check_sides, group_notes
from headstart.data.partition import Members
from headstart.data.settings import DataSettings
from headstart.data.sources import Source
from headstart.data.split_names import split_of
from headstart.data.split_time import split_by_time, time_notes

_MANY_LATE = 0.1
"""Share of the rows that are too late for their group's split, from which a reader should know."""
_GROUP, _TIME = "data.split.group", "data.split.time"


class Division(NamedTuple):
    """Clients with their splits.

    Attributes:
        clients: some of them held out.
        fixed_val: whether the data say which rows are val, so that no seed draws them anew.
        late: rows that no split has, as they are later than the one that their group is in.
    """

    clients: Sequence[Client]
    fixed_val: bool
    late: Array

    @property
    def outside_test(self) -> Array:
        """Rows of seen clients that are not for testing, ascending: what may be learnt from before any training."""
        nothing = np.zeros(0, np.int64)
        parts = [part for client in self.clients if client.seen for part in (client.train, client.val)]
        return np.sort(np.concatenate([nothing, *parts]))

    @property
    def held(self) -> Array:
        """All rows that some client has in a split, ascending."""
        parts = [part for client in self.clients for part in (client.train, client.val, client.test)]
        return np.sort(np.concatenate([np.zeros(0, np.int64), *parts]))


def divide(
    examples: Examples, source: Source, settings: DataSettings, members: Members, *, fixed_val: bool = False
) -> Division:
    """Divide the rows of every client.

    Args:
        examples: all clients'.
        source: the same rows as they stood in the file.
        settings: by what they are divided.
        members: whose each row is.
        fixed_val: whether a column that names val elsewhere lets none be drawn here.

    Raises:
        DataError: a column says no split or time, or parts a group.
        SettingError: clients are too few for some to be held out.
    """
    labels, groups, seed = examples.labels, examples.groups, settings.seed
    if settings.split.time:
        times = times_of(source, settings.split.time, _TIME)
        clients, late = split_by_time(members, times, settings.split, groups)
        found = Division(clients, True, late)
    elif settings.split.column:
        found = _by_column(examples, source, settings, members, fixed_val=fixed_val)
    else:
        drawn = [split.split_client(labels, rows, settings.split, seed, name, groups) for name, rows in members.items()]
        found = Division(drawn, False, np.zeros(0, np.int64))
    capped = [split.cap_train(labels, client, settings.train_per_client, seed) for client in found.clients]
    return found._replace(clients=split.hold_out(capped, settings.held_out_clients, seed))


def _by_column(
    examples: Examples, source: Source, settings: DataSettings, members: Members, *, fixed_val: bool
) -> Division:
    column, group = str(settings.split.column), settings.split.group
    values = source.texts(column, "data.split.column")
    fixed = split.column_has_val(values) or fixed_val
    clients = split.split_by_column(
        examples.labels, members, values, settings.split, settings.seed, fixed_val=fixed, groups=examples.groups
    )
    if group:
        splits = [split_of(value, column) for value in values]
        check_sides(members, source.texts(group, _GROUP), splits, group, column)
    return Division(clients, fixed, np.zeros(0, np.int64))


def notes_on_splits(source: Source, members: Members, settings: DataSettings, division: Division) -> tuple[str, ...]:
    """Note groups that several clients have, clients that cannot be split, and many rows that no split has."""
    group, time = settings.split.group, settings.split.time
    grouped = group_notes(members, source.texts(group, _GROUP), group) if group else ()
    timed = time_notes(members, times_of(source, time, _TIME), time) if time else ()
    return (*grouped, *timed, *_many_late(len(division.late), sum(map(len, members.values())), settings))


def _many_late(late: int, rows: int, settings: DataSettings) -> tuple[str, ...]:
    """Note that time and groups together leave out much."""
    if late <= _MANY_LATE * rows:
        return ()
    return (
        f"{late} of {rows} rows are left out, as each '{settings.split.group}' is in the split in which it began and "
        "they are later than that; without data.split.group, or without data.split.time, they count",
    )


def undealt(source: Source, members: Members, division: Division, settings: DataSettings) -> Findings:
    """Say which rows no client has in a split, and why."""
    dealt = np.concatenate(list(members.values()))
    beyond = np.setdiff1d(dealt, np.concatenate([division.held, division.late]))
    numbers, late = source.row_numbers, f"of a '{settings.split.group}' that began earlier, and later than its split"
    return (
        *left_out(np.delete(numbers, dealt), "given to no client by data.partition"),
        *left_out(numbers[division.late], late),
        *left_out(numbers[beyond], f"beyond data.train_per_client = {settings.train_per_client}"),
    )
