"""From settings to a federation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np

from headstart.core.errors import SettingError
from headstart.data import partition, split
from headstart.data.account import Account, Findings, LeftOut, account_of, left_out, notes_in
from headstart.data.agreement import Agreement
from headstart.data.central import read_central, take_share
from headstart.data.checks import check_federation, notes_on, without_unused
from headstart.data.examples import Examples
from headstart.data.features import categories, number_names
from headstart.data.federation import Client, Federation, Split
from headstart.data.groups import check_sides, group_notes
from headstart.data.identifiers import describing_columns, doubtful_identifiers
from headstart.data.partition import Members
from headstart.data.read import chosen_columns, read_examples
from headstart.data.reading import Reading
from headstart.data.scale import scaled
from headstart.data.settings import DataSettings
from headstart.data.sources import Source, TableFormat, open_source
from headstart.data.split_names import split_of


def open_federation(settings: DataSettings, base: Path) -> Federation:
    """Open what the settings describe: clients with train, val and test, and the central pool.

    Args:
        settings: the data's settings.
        base: the folder where relative paths start, such as the study file's.

    Raises:
        DataError: a file, a column or an example breaks a rule.
        SettingError: the settings cannot be met by the data.
        MissingExtra: an optional library is needed and not installed.

    >>> federation = open_federation(DataSettings(source="digits"), Path())
    >>> len(federation.clients), federation.num_classes, federation.examples.shape
    (14, 10, (1, 8, 8))
    """
    source = open_source(settings.source, base, form=table_format(settings))
    central = None
    if settings.central and settings.central.source:
        central = open_source(settings.central.source, base, "data.central.source", table_format(settings))
    return federate(source, settings, central)


def federate(source: Source, settings: DataSettings, central_source: Source | None = None) -> Federation:
    """Make a federation from sources that are open already; see ``open_federation``."""
    client_column = _client_column(source, settings)
    examples, rows, found = read_examples(source, _reading(settings, client_column))
    pool = None
    if settings.central and central_source:
        known = {column: categories(rows, column) for column in settings.one_hot}
        pool = _Pool.of(central_source, *read_central(central_source, settings, settings.central, examples, known))
    elif settings.central:
        kept, drawn = take_share(examples, settings.central, settings.seed)
        pool = _Pool.of(source, examples.take(drawn), (LeftOut(len(kept), "left to the clients"),), len(examples))
        found += (LeftOut(len(drawn), "drawn for the central pool"),)
        examples, rows = examples.take(kept), rows.take(kept)
    members = _members(examples, rows, settings, client_column)
    read = _Read(len(source), examples, rows, found)
    return scaled(_with_scale(_divided(read, settings, members, pool)), settings.standardize)


def _with_scale(federation: Federation) -> Federation:
    """Let a regression's head predict in standard deviations of the seen clients' targets outside test."""
    examples, central = federation.examples, federation.central
    if examples.targets is None:
        return federation
    rows = np.concatenate([np.concatenate([client.train, client.val]) for client in federation.seen_clients])
    targets = examples.targets.scaled(rows)
    if central is not None and central.targets is not None:
        central = replace(central, targets=replace(central.targets, task=targets.task))
    return replace(federation, examples=replace(examples, targets=targets), central=central)


def open_client(source: Source, settings: DataSettings, name: str, agreed: Agreement | None = None) -> Federation:
    """Open one client's own data: all rows are the client's, split as the whole federation would split them.

    What must hold of a whole federation is not asked of one client. Nothing is filled or standardised.

    Args:
        source: the client's own.
        settings: how the data are read; ``client``, ``partition`` and ``central`` are not used.
        name: the client's id, which with ``data.seed`` fixes its split.
        agreed: what the whole federation reads by; None finds what these rows alone say.

    Raises:
        DataError: a column or an example breaks a rule, or does not fit what was agreed.

    >>> open_client(open_source("glyphs", Path()), DataSettings(source="glyphs"), "site").clients[0].id
    'site'
    """
    reading = replace(_reading(settings, None), whole=False)
    read = _Read(len(source), *read_examples(source, reading if agreed is None else _by(agreed, reading)))
    return _divided(read, settings, {name: np.arange(len(read.examples))}, None, whole=False, agreed=agreed)


class Columns(NamedTuple):
    """A client's columns, as far as its own rows tell.

    Attributes:
        inputs: of numbers, vectors (as the inputs that they become) and categories, in order, ``doubtful`` ones too.
        set_aside: no inputs unless ``data.columns`` names them, such as an index or an official split.
        doubtful: inputs that its own rows show as identifiers.
        describing: those that are no identifiers, whatever rows are added.
    """

    inputs: tuple[str, ...] = ()
    set_aside: tuple[str, ...] = ()
    doubtful: tuple[str, ...] = ()
    describing: tuple[str, ...] = ()


def client_columns(source: Source, settings: DataSettings) -> Columns:
    """Return a client's columns that it would learn from, and those it would set aside.

    Raises:
        DataError: there is nothing to learn from.
    """
    source, chosen = chosen_columns(source, replace(_reading(settings, None), whole=False))
    number_names(source, chosen, settings.one_hot)  # raises an error where nothing is left
    doubtful = tuple(name for name in doubtful_identifiers(source.table) if name in chosen.set_aside)
    ordered = [name for name in source.table.column_names if name in doubtful or name in chosen.columns]
    columns = chosen.columns if settings.columns else tuple(ordered)
    inputs = number_names(source, replace(chosen, columns=columns), settings.one_hot)
    describing = tuple(name for name in describing_columns(source.table) if name in chosen.columns)
    return Columns(inputs, tuple(name for name in chosen.set_aside if name not in doubtful), doubtful, describing)


def _by(agreed: Agreement, reading: Reading) -> Reading:
    """Read as a federation has agreed."""
    channels, *size = agreed.shape or (None,)
    return replace(
        reading,
        classes=agreed.classes,
        inputs=agreed.inputs or None,
        categories=agreed.categories,
        size=(size[0], size[1]) if size else None,
        channels=channels,
        pixels=replace(reading.pixels, range=agreed.range) if agreed.range else reading.pixels,
    )


def table_format(settings: DataSettings) -> TableFormat:
    """Return how the cells of a table are written, as far as the settings say."""
    return TableFormat(
        delimiter=settings.delimiter,
        decimal=settings.decimal,
        encoding=settings.encoding,
        missing_words=settings.missing_words,
    )


@dataclass(frozen=True)
class _Read:
    """The clients' source, read: rows it had, examples, the same rows of the source, what is to say."""

    num_rows: int
    examples: Examples
    source: Source
    found: Findings


@dataclass(frozen=True)
class _Pool:
    """The central pool, its account, and notes on it."""

    examples: Examples
    account: Account
    notes: tuple[str, ...]

    @classmethod
    def of(cls, source: Source, examples: Examples, found: Findings, rows: int | None = None) -> _Pool:
        """Begin the pool's account."""
        account = account_of(source.name, len(source) if rows is None else rows, examples, found)
        return cls(examples, account, tuple(f"central pool: {note}" for note in notes_in(found)))


def _divided(
    read: _Read,
    settings: DataSettings,
    members: Members,
    pool: _Pool | None,
    *,
    whole: bool = True,
    agreed: Agreement | None = None,
) -> Federation:
    """Split every client's examples, check everything, and say what was done."""
    clients, fixed_val = _clients(read.examples, read.source, settings, members, agreed)
    central, notes = (pool.examples, pool.notes) if pool else (None, ())
    grouped = _grouped(read.source, members, settings.split.group)
    found = Federation(read.examples, clients, central, (*notes_in(read.found), *notes, *grouped), fixed_val)
    federation = without_unused(found)
    check_federation(federation, whole=whole)
    records = (*read.found, *_undealt(read.source, members, clients, settings))
    account = account_of(read.source.name, read.num_rows, federation.examples, records)
    return replace(
        federation,
        notes=federation.notes + notes_on(federation),  # before columns are scaled: equal inputs are still equal
        account=replace(
            account,
            clients={c.id: sum(len(c.indices(part)) for part in get_args(Split)) for c in federation.clients},
            splits={part: sum(len(c.indices(part)) for c in federation.clients) for part in get_args(Split)},
            central=pool.account if pool else None,
        ),
    )


def _grouped(source: Source, members: Members, group: str | None) -> tuple[str, ...]:
    return group_notes(members, source.texts(group, "data.split.group"), group) if group else ()


def _undealt(source: Source, members: Members, clients: Sequence[Client], settings: DataSettings) -> Findings:
    """Say which rows the partition gave to nobody, and which are more than a client may train on."""
    dealt = np.concatenate(list(members.values()))
    held = np.concatenate([part for c in clients for part in (c.train, c.val, c.test)])
    numbers = source.row_numbers
    return (
        *left_out(np.delete(numbers, dealt), "given to no client by data.partition"),
        *left_out(numbers[np.setdiff1d(dealt, held)], f"beyond data.train_per_client = {settings.train_per_client}"),
    )


def _client_column(source: Source, settings: DataSettings) -> str | None:
    """Return the column of natural clients, None when a partition makes them.

    Raises:
        SettingError: nothing says how to make clients.
    """
    if settings.partition is not None and settings.partition.method != "natural":
        return None
    column = settings.client or source.client_column
    if column is None:
        raise SettingError(
            f"data.client: nothing says whose the examples of '{source.name}' are; name the column of them "
            f"({', '.join(source.table.column_names)}), or give data.partition"
        )
    return column


def _reading(settings: DataSettings, client_column: str | None) -> Reading:
    within = settings.partition.within if settings.partition else None
    size = settings.image_size
    return Reading(
        setting="data",
        label=settings.targets[0],
        task=settings.task,
        targets=settings.targets,
        image=settings.image,
        text=settings.text,
        id=settings.id,
        columns=settings.columns,
        one_hot=settings.one_hot,
        classes=settings.classes,
        where=settings.where,
        needed=tuple(column for column in (client_column, within) if column),
        split=settings.split.column,
        group=settings.split.group,
        size=(size, size) if size else None,
        channels=settings.channels,
        pixels=settings.pixels,
        missing=settings.missing,
        max_examples=settings.max_examples,
        max_corrupt=settings.max_corrupt,
        seed=settings.seed,
    )


def _members(examples: Examples, source: Source, settings: DataSettings, client_column: str | None) -> Members:
    if client_column is not None or settings.partition is None:
        return partition.by_name(source.texts(str(client_column), "data.client"))
    within = settings.partition.within
    places = source.texts(within, "data.partition.within") if within else None
    return partition.deal(examples.labels, settings.partition, settings.seed, places, examples.groups)


def _clients(
    examples: Examples, source: Source, settings: DataSettings, members: Members, agreed: Agreement | None = None
) -> tuple[Sequence[Client], bool]:
    """Return the clients, and whether a column fixes their val."""
    labels, groups, seed = examples.labels, examples.groups, settings.seed
    shares, column, group, fixed_val = settings.split, settings.split.column, settings.split.group, False
    if column:
        values = source.texts(column, "data.split.column")
        fixed_val = split.column_has_val(values) or bool(agreed and agreed.fixed_val)
        clients = split.split_by_column(labels, members, values, shares, seed, fixed_val=fixed_val, groups=groups)
        if group:
            splits = [split_of(value, column) for value in values]
            check_sides(members, source.texts(group, "data.split.group"), splits, group, column)
    else:
        clients = [split.split_client(labels, rows, shares, seed, name, groups) for name, rows in members.items()]
    clients = [split.cap_train(labels, client, settings.train_per_client, seed) for client in clients]
    return split.hold_out(clients, settings.held_out_clients, seed), fixed_val
