"""A federation's tables filled and at one scale, and its account that says so."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from headstart.data.account import Account, Filled, Findings
from headstart.data.features import column_of
from headstart.data.federation import Federation
from headstart.data.settings import Standardize
from headstart.data.standardize import Scaled, Statistics, fill_and_standardize


def scaled(federation: Federation, how: Standardize, agreed: Statistics | None = None) -> Federation:
    """Fill and standardise as ``fill_and_standardize`` does, and enter it into the account.

    Args:
        federation: as it was read; images and texts pass unchanged.
        how: as ``data.standardize``.
        agreed: statistics of a federation of which this is a part; None takes its own.
    """
    found = fill_and_standardize(federation.examples, federation.clients, federation.central, how, agreed)
    return replace(
        federation,
        examples=found.examples,
        central=found.central,
        notes=federation.notes + found.notes,
        account=federation.account and _entered(federation.account, found),
        scalings=found.scalings,
    )


def _entered(account: Account, found: Scaled) -> Account:
    central = account.central
    if central is not None:
        central = central.with_findings(_by_column(found.filled_central, account.inputs))
    filled = account.with_findings(_by_column(found.filled, account.inputs))
    return replace(filled, standardised=found.how, central=central)


def _by_column(filled: Sequence[Filled], columns: Collection[str]) -> Findings:
    """Name filled cells by the source's columns: the columns that a category became are one."""
    found = {one.column: one for one in filled if one.column in columns}
    for one in filled:
        name = column_of(one.column, columns)
        how = "its categories' shares" if one.column.startswith(f"{name}=") else "each of its numbers by its own mean"
        found.setdefault(name, replace(one, column=name, how=how))
    return tuple(found.values())
