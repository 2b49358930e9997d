"""Tables: fill what is missing and bring columns to one scale, from examples outside test alone.

Statistics come from sums, which clients may send where their examples stay: of one table or of many, by the same code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from pydantic import FiniteFloat, NonNegativeInt

from headstart.core.arrays import Array
from headstart.core.span import Span, is_wide
from headstart.data.account import Filled
from headstart.data.examples import Examples
from headstart.data.federation import Client, Scaling
from headstart.data.settings import Standardize

Statistics = tuple[Array, Array]
"""Each column's mean and standard deviation."""
_ROUNDING = 1e-13
"""Of a deviation, in shares of the mean: that of a constant column is below it."""
UNSCALED = "inputs are not scaled and differ widely"
"""How the warning begins."""


@dataclass(frozen=True)
class ColumnSums:
    """Of a table's columns, over rows outside test; missing values aside.

    Attributes:
        rows: how many.
        counts: values of each column.
        totals: their sum.
        squares: sum of their squared distances from their mean, which rounds less than a sum of squares.
    """

    rows: NonNegativeInt
    counts: tuple[NonNegativeInt, ...]
    totals: tuple[FiniteFloat, ...]
    squares: tuple[FiniteFloat, ...]


def sums_of(inputs: Array) -> ColumnSums:
    """Add up the columns of some rows.

    >>> sums_of(np.array([[1.0, np.nan], [3.0, 5.0]]))
    ColumnSums(rows=2, counts=(2, 1), totals=(4.0, 5.0), squares=(2.0, 0.0))
    """
    values = inputs.astype(np.float64)
    counts, totals = (~np.isnan(values)).sum(0), np.nansum(values, axis=0)
    squares = np.nansum((values - _mean(counts, totals)) ** 2, axis=0)
    return ColumnSums(len(values), tuple(counts.tolist()), tuple(totals.tolist()), tuple(squares.tolist()))


def united(parts: Sequence[ColumnSums]) -> ColumnSums:
    """Return the sums of all rows together.

    >>> united([sums_of(np.array([[1.0]])), sums_of(np.array([[3.0]]))])
    ColumnSums(rows=2, counts=(2,), totals=(4.0,), squares=(2.0,))
    """
    counts = np.array([part.counts for part in parts])
    totals = np.array([part.totals for part in parts])
    means = np.array([_mean(*each) for each in zip(counts, totals, strict=True)])
    between = counts * (means - _mean(counts.sum(0), totals.sum(0))) ** 2
    squares = np.array([part.squares for part in parts]).sum(0) + np.where(counts > 0, between, 0).sum(0)
    rows = sum(part.rows for part in parts)
    return ColumnSums(rows, tuple(counts.sum(0).tolist()), tuple(totals.sum(0).tolist()), tuple(squares.tolist()))


def statistics(sums: ColumnSums, fallback: Statistics | None = None) -> Statistics:
    """Return each column's mean and standard deviation (of the sample).

    Args:
        sums: of the columns.
        fallback: for columns that have too few values; 0 and 1 if None.
    """
    counts, squares = np.array(sums.counts), np.array(sums.squares)
    mean = _mean(counts, np.array(sums.totals))
    freedom = np.where(counts > 0, counts - min(1, sums.rows - 1), 0)
    deviation = np.sqrt(np.divide(squares, freedom, out=np.full(len(counts), np.nan), where=freedom > 0))
    other = fallback or (np.zeros_like(mean), np.ones_like(mean))
    mean = np.where(np.isnan(mean), other[0], mean)
    deviation = np.where(np.isnan(deviation), other[1], deviation)
    # Rounding leaves a constant column with a deviation just above zero; units may be small, and far from it.
    constant = deviation <= _ROUNDING * np.abs(mean)
    return mean, np.where(constant, 1.0, deviation)


def lacks_values(sums: ColumnSums) -> Array:
    """Say of each column whether there are too few values for a mean and a deviation; ``(columns,)`` bool."""
    return np.asarray(np.array(sums.counts) < min(2, max(sums.rows, 1)))


@dataclass(frozen=True, eq=False)
class Scaled:
    """Examples without holes, at one scale if that was asked for, and what is to say of it.

    Attributes:
        examples: the clients'.
        central: the server's pool.
        how: how columns were brought to one scale, in words; empty where they were not.
        filled: cells of the clients' examples that were filled.
        filled_central: cells of the pool that were filled.
        notes: a warning where unscaled columns differ widely.
        scalings: what was done, by client.
    """

    examples: Examples
    central: Examples | None
    how: str = ""
    filled: tuple[Filled, ...] = ()
    filled_central: tuple[Filled, ...] = ()
    notes: tuple[str, ...] = ()
    scalings: Mapping[str, Scaling] = field(default_factory=dict)


def fill_and_standardize(
    examples: Examples,
    clients: Sequence[Client],
    central: Examples | None,
    how: Standardize,
    agreed: Statistics | None = None,
) -> Scaled:
    """Fill missing inputs with column means, then standardise.

    Statistics come from train and val together, so they stay the same when val is drawn anew, and never from
    test. With ``client`` every client uses its own; else all use those pooled over seen clients. The central
    pool uses its own with ``client`` (the server knows no other), the pooled ones with ``pooled``. A column
    that is constant is only centred.

    Args:
        examples: the clients' examples; images and texts pass unchanged.
        clients: who holds what.
        central: the server's pool.
        how: ``none`` (fill only), ``client`` or ``pooled``, which is what ``auto`` means.
        agreed: those of a federation of which these are a part; None takes those of all seen clients here.
    """
    if examples.kind != "table":
        return Scaled(examples, central)
    seen = [client for client in clients if client.seen]
    pooled = agreed or statistics(known_sums(examples, seen))
    inputs, same, scalings = examples.inputs.copy(), _scaling(pooled, how), dict[str, Scaling]()
    for client in clients:
        rows = np.concatenate([client.train, client.val, client.test])
        own = _scaling(statistics(known_sums(examples, [client]), pooled), how) if how == "client" else same
        inputs[rows], scalings[client.id] = _apply(inputs[rows], own), own
    means = None if how == "client" else pooled[0]
    return Scaled(
        replace(examples, inputs=inputs.astype(np.float32)),
        central and _scaled_pool(central, pooled, how),
        _in_words(how),
        _filled(examples, means),
        _filled(central, means) if central else (),
        _wide_span(inputs[_known(seen)], examples.columns) if how == "none" else (),
        scalings,
    )


def known_sums(examples: Examples, clients: Sequence[Client]) -> ColumnSums:
    """Add up all examples of some clients outside test."""
    return sums_of(examples.inputs[_known(clients)])


def _known(clients: Sequence[Client]) -> Array:
    """Return the indices of all examples outside test."""
    nothing = np.zeros(0, np.int64)
    return np.concatenate([nothing, *(part for client in clients for part in (client.train, client.val))])


def _scaled_pool(central: Examples, pooled: Statistics, how: Standardize) -> Examples:
    own = statistics(sums_of(central.inputs), pooled) if how == "client" else pooled
    return replace(central, inputs=_apply(central.inputs, _scaling(own, how)))


def _mean(counts: Array, totals: Array) -> Array:
    """Return means; NaN where there is no value."""
    return np.asarray(np.divide(totals, counts, out=np.full(len(counts), np.nan), where=counts > 0))


def _scaling(statistics: Statistics, how: Standardize) -> Scaling:
    mean, deviation = statistics
    if how == "none":
        return Scaling(mean, np.zeros_like(mean), np.ones_like(deviation))
    return Scaling(mean, mean, deviation)


def _apply(inputs: Array, scaling: Scaling) -> Array:
    filled = np.where(np.isnan(inputs), scaling.fill, inputs)
    return np.asarray((filled - scaling.center) / scaling.scale, dtype=np.float32)


def _in_words(how: Standardize) -> str:
    if how == "none":
        return ""
    whose = "each client by its own rows" if how == "client" else "once for all, by the seen clients' rows"
    return f"{whose} outside test, to mean 0 and deviation 1 a column"


def _filled(examples: Examples, means: Array | None) -> tuple[Filled, ...]:
    """Say which columns had holes, and what is in them now; without means each client has its own."""
    holes = np.isnan(examples.inputs).sum(axis=0)
    how = ["each client's own mean" if means is None else f"the mean, {means[i]:.4g}" for i in range(len(holes))]
    return tuple(
        Filled(name, int(count), what) for name, count, what in zip(examples.columns, holes, how, strict=True) if count
    )


def _wide_span(inputs: Array, columns: Sequence[str]) -> tuple[str, ...]:
    """Warn of unscaled columns that lie further apart than training bears."""
    span = Span.of(inputs)
    if not is_wide(span.ratio):
        return ()
    large, small = span.sizes
    words = f"'{columns[span.largest]}' is about {large:.3g}, '{columns[span.smallest]}' about {small:.3g}"
    return (f"{UNSCALED}: {words}; training may learn nothing: set data.standardize = 'auto'",)
