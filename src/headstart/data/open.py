"""From settings to a federation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np

from headstart.core.errors import SettingError
from headstart.data import partition
from headstart.data.account import Account, Findings, LeftOut, account_of, notes_in
from headstart.data.agreement import Agreement
from headstart.data.central import Held, read_central, take_share
from headstart.data.checks import check_federation, notes_on, without_unused
from headstart.data.division import Division, divide, notes_on_splits, undealt
from headstart.data.encoding import (
    Encoding,
    check_categories,
    common,
    encoded,
    fit,
    in_order,
    often_empty,
    told,
    unknown_categories,
)
from headstart.data.examples import Examples
from headstart.data.features import number_names
from headstart.data.federation import Federation, Split
from headstart.data.identifiers import describing_columns, doubtful_identifiers
from headstart.data.partition import Members
from headstart.data.read import chosen_columns, read_examples
from headstart.data.reading import by_agreement, reading_of
from headstart.data.scale import scaled
from headstart.data.settings import CentralSettings, DataSettings
from headstart.data.sources import Source, TableFormat, open_source


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
    read = _Read(len(source), *read_examples(source, reading_of(settings, client_column)))
    share = None
    if settings.central and central_source is None:
        read, share = read.without_share(settings.central, settings.seed)
    members = _members(read.examples, read.source, settings, client_column)
    division = divide(read.examples, read.source, settings, members)
    encoding = fit(read.examples, read.source, division.outside_test, settings)
    read = read.encoded(encoding, division, settings)
    pool = _Pool.of_share(share, encoding) if share else None
    if settings.central and central_source:
        held = Held(read.examples, encoding, _group_names(read.source, settings))
        pool = _Pool.of(central_source, *read_central(central_source, settings, settings.central, held))
    divided = _with_scale(_divided(read, settings, members, division, pool))
    return scaled(divided, settings.standardize)


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
    read, members, division = _alone(source, settings, name, agreed)
    known = division.outside_test
    encoding = agreed.encoding if agreed else fit(read.examples, read.source, known, settings)
    check_categories(read.source.take(known), encoding)
    read = read.encoded(encoding, division, settings)
    return _divided(read, settings, members, division, None, whole=False)


def _alone(
    source: Source, settings: DataSettings, name: str, agreed: Agreement | None = None
) -> tuple[_Read, Members, Division]:
    """Read and divide one client's own data."""
    reading = replace(reading_of(settings, None), whole=False)
    read = _Read(len(source), *read_examples(source, reading if agreed is None else by_agreement(agreed, reading)))
    members = {name: np.arange(len(read.examples))}
    fixed_val = bool(agreed and agreed.fixed_val)
    return read, members, divide(read.examples, read.source, settings, members, fixed_val=fixed_val)


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
    source, chosen = chosen_columns(source, replace(reading_of(settings, None), whole=False))
    number_names(source, chosen, settings.one_hot)  # raises an error where nothing is left
    doubtful = tuple(name for name in doubtful_identifiers(source.table) if name in chosen.set_aside)
    ordered = [name for name in source.table.column_names if name in doubtful or name in chosen.columns]
    columns = chosen.columns if settings.columns else tuple(ordered)
    inputs = number_names(source, replace(chosen, columns=columns), settings.one_hot)
    describing = tuple(name for name in describing_columns(source.table) if name in chosen.columns)
    return Columns(inputs, tuple(name for name in chosen.set_aside if name not in doubtful), doubtful, describing)


def client_names(source: Source, settings: DataSettings, name: str, fewest: int) -> Encoding:
    """Return a client's categories and its columns that are empty somewhere, those that enough of its rows are of.

    They are learnt from rows outside test; how many rows there must be for a name to be told counts all.

    Args:
        source: the client's own table.
        settings: which columns hold categories, and how many rows outside test one must have at least.
        name: the client's id.
        fewest: rows that a name must have to be told.
    """
    read, _, division = _alone(source, settings, name)
    known, every = division.outside_test, np.arange(len(read.examples))
    found = {
        column: common(read.source.take(known), column, settings.min_frequency) & common(read.source, column, fewest)
        for column in settings.one_hot
    }
    often = often_empty(read.examples, read.source, every, fewest) if settings.missing == "indicator" else ()
    return Encoding(
        categories={column: in_order(names) for column, names in found.items()},
        missing=tuple(name for name in often_empty(read.examples, read.source, known) if name in often),
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

    def without_share(self, central: CentralSettings, seed: int) -> tuple[_Read, _Read]:
        """Draw a share for the central pool; return what is left to the clients, and the share."""
        kept, drawn = take_share(self.examples, central, seed)
        left = replace(
            self,
            examples=self.examples.take(kept),
            source=self.source.take(kept),
            found=(*self.found, LeftOut(len(drawn), "drawn for the central pool")),
        )
        found = (LeftOut(len(kept), "left to the clients"),)
        return left, _Read(len(self.examples), self.examples.take(drawn), self.source.take(drawn), found)

    def encoded(self, encoding: Encoding, division: Division, settings: DataSettings) -> _Read:
        """Make a table's inputs of what was read, and say how."""
        found = told(self.examples, self.source, encoding, settings)
        unknown = unknown_categories(self.source.take(division.held), encoding)
        examples = encoded(self.examples, self.source, encoding)
        return replace(self, examples=examples, found=(*self.found, *found, *unknown))


@dataclass(frozen=True)
class _Pool:
    """The central pool, its account, and notes on it."""

    examples: Examples
    account: Account
    notes: tuple[str, ...]

    @classmethod
    def of_share(cls, share: _Read, encoding: Encoding) -> _Pool:
        """Begin the account of a share of the clients' source, made as theirs."""
        examples = encoded(share.examples, share.source, encoding)
        return cls.of(
            share.source, examples, (*share.found, *unknown_categories(share.source, encoding)), share.num_rows
        )

    @classmethod
    def of(cls, source: Source, examples: Examples, found: Findings, rows: int | None = None) -> _Pool:
        """Begin the pool's account."""
        account = account_of(source.name, len(source) if rows is None else rows, examples, found)
        return cls(examples, account, tuple(f"central pool: {note}" for note in notes_in(found)))


def _divided(
    read: _Read,
    settings: DataSettings,
    members: Members,
    division: Division,
    pool: _Pool | None,
    *,
    whole: bool = True,
) -> Federation:
    """Put everything together, check it, and say what was done."""
    central, notes = (pool.examples, pool.notes) if pool else (None, ())
    notes = (*notes_in(read.found), *notes, *notes_on_splits(read.source, members, settings, division))
    found = Federation(read.examples, division.clients, central, notes, division.fixed_val)
    federation = without_unused(found)
    check_federation(federation, whole=whole)
    records = (*read.found, *undealt(read.source, members, division, settings))
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


def _group_names(source: Source, settings: DataSettings) -> set[str]:
    group = settings.split.group
    return {str(name) for name in source.texts(group, "data.split.group")} if group else set()


def _members(examples: Examples, source: Source, settings: DataSettings, client_column: str | None) -> Members:
    if client_column is not None or settings.partition is None:
        return partition.by_name(source.texts(str(client_column), "data.client"))
    within = settings.partition.within
    places = source.texts(within, "data.partition.within") if within else None
    return partition.deal(examples.labels, settings.partition, settings.seed, places, examples.groups)
