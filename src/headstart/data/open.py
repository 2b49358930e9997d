"""From settings to a federation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from headstart.core.errors import SettingError
from headstart.data import partition, split
from headstart.data.agreement import Agreement
from headstart.data.central import read_central, take_share
from headstart.data.checks import check_federation, notes_on, without_unused
from headstart.data.examples import Examples
from headstart.data.features import input_columns
from headstart.data.federation import Client, Federation
from headstart.data.partition import Members
from headstart.data.read import read_examples
from headstart.data.reading import Reading
from headstart.data.settings import DataSettings
from headstart.data.sources import Source, open_source
from headstart.data.standardize import fill_and_standardize


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
    source = open_source(settings.source, base)
    central = None
    if settings.central and settings.central.source:
        central = open_source(settings.central.source, base, "data.central.source")
    return federate(source, settings, central)


def federate(source: Source, settings: DataSettings, central_source: Source | None = None) -> Federation:
    """Make a federation from sources that are open already; see ``open_federation``."""
    client_column = _client_column(source, settings)
    examples, source, notes = read_examples(source, _reading(settings, client_column))
    central = None
    if settings.central and central_source:
        central, more = read_central(central_source, settings, settings.central, examples)
        notes += tuple(f"central pool: {note}" for note in more)
    elif settings.central:
        kept, drawn = take_share(examples, settings.central, settings.seed)
        examples, source, central = examples.take(kept), source.take(kept), examples.take(drawn)
    return _assemble(examples, source, settings, _members(examples, source, settings, client_column), central, notes)


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
    examples, source, notes = read_examples(source, reading if agreed is None else _by(agreed, reading))
    rows = {name: np.arange(len(examples))}
    return _divided(examples, source, settings, rows, None, notes, whole=False, agreed=agreed)


def client_inputs(source: Source, settings: DataSettings) -> tuple[str, ...]:
    """Return the columns of one client's table that it would learn from."""
    return input_columns(source, settings.columns, settings.one_hot, _reading(settings, None).taken)


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
    )


def _assemble(
    examples: Examples,
    source: Source,
    settings: DataSettings,
    members: Members,
    central: Examples | None,
    notes: tuple[str, ...],
) -> Federation:
    """Split every client's examples, check everything, scale columns."""
    federation = _divided(examples, source, settings, members, central, notes)
    examples, central = fill_and_standardize(federation.examples, federation.clients, central, settings.standardize)
    return replace(federation, examples=examples, central=central)


def _divided(
    examples: Examples,
    source: Source,
    settings: DataSettings,
    members: Members,
    central: Examples | None,
    notes: tuple[str, ...],
    *,
    whole: bool = True,
    agreed: Agreement | None = None,
) -> Federation:
    """Split every client's examples and check everything."""
    clients, fixed_val = _clients(examples, source, settings, members, agreed)
    federation = without_unused(Federation(examples, clients, central, notes, fixed_val))
    check_federation(federation, whole=whole)
    # Before columns are scaled: equal inputs are still equal.
    return replace(federation, notes=federation.notes + notes_on(federation))


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
        label=settings.label,
        image=settings.image,
        text=settings.text,
        id=settings.id,
        columns=settings.columns,
        one_hot=settings.one_hot,
        classes=settings.classes,
        where=settings.where,
        needed=tuple(column for column in (client_column, within) if column),
        split=settings.split.column,
        size=(size, size) if size else None,
        channels=settings.channels,
        missing=settings.missing,
        max_examples=settings.max_examples,
        max_corrupt=settings.max_corrupt,
        seed=settings.seed,
    )


def _members(examples: Examples, source: Source, settings: DataSettings, client_column: str | None) -> Members:
    if client_column is not None or settings.partition is None:
        return partition.by_name(source.texts(str(client_column), "data.client"))
    within = settings.partition.within
    groups = source.texts(within, "data.partition.within") if within else None
    return partition.deal(examples.labels, settings.partition, settings.seed, groups)


def _clients(
    examples: Examples, source: Source, settings: DataSettings, members: Members, agreed: Agreement | None
) -> tuple[Sequence[Client], bool]:
    """Return the clients, and whether a column fixes their val."""
    labels, seed = examples.labels, settings.seed
    column, fixed_val = settings.split.column, False
    if column:
        values = source.texts(column, "data.split.column")
        fixed_val = split.column_has_val(values) or bool(agreed and agreed.fixed_val)
        clients = split.split_by_column(labels, members, values, settings.split, seed, fixed_val=fixed_val)
    else:
        clients = [split.split_client(labels, rows, settings.split, seed, name) for name, rows in members.items()]
    clients = [split.cap_train(labels, client, settings.train_per_client, seed) for client in clients]
    return split.hold_out(clients, settings.held_out_clients, seed), fixed_val
