"""Tables: fill what is missing and bring columns to one scale, from examples outside test alone."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from headstart.core.arrays import Array
from headstart.data.examples import Examples
from headstart.data.federation import Client
from headstart.data.settings import Standardize


def fill_and_standardize(
    examples: Examples, clients: Sequence[Client], central: Examples | None, how: Standardize
) -> tuple[Examples, Examples | None]:
    """Fill missing inputs with column means, then standardise.

    Statistics come from train and val together, so they stay the same when val is drawn anew, and never from
    test. With ``client`` every client uses its own; else all use those pooled over seen clients. The central
    pool uses its own with ``client`` (the server knows no other), the pooled ones with ``pooled``. A column
    that is constant is only centred.

    Args:
        examples: the clients' examples; images pass unchanged.
        clients: who holds what.
        central: the server's pool.
        how: ``none`` (fill only), ``client`` or ``pooled``.
    """
    if examples.kind != "table":
        return examples, central
    pooled = _statistics(examples.inputs[_known([c for c in clients if c.seen])])
    inputs = examples.inputs.copy()
    for client in clients:
        rows = np.concatenate([client.train, client.val, client.test])
        own = _statistics(examples.inputs[_known([client])], pooled) if how == "client" else pooled
        inputs[rows] = _apply(inputs[rows], own, how)
    if central is not None:
        own = _statistics(central.inputs, pooled) if how == "client" else pooled
        central = replace(central, inputs=_apply(central.inputs, own, how))
    return replace(examples, inputs=inputs), central


def _known(clients: Sequence[Client]) -> Array:
    """Return the indices of all examples outside test."""
    return np.concatenate([part for client in clients for part in (client.train, client.val)])


def _statistics(inputs: Array, fallback: tuple[Array, Array] | None = None) -> tuple[Array, Array]:
    """Return each column's mean and standard deviation (of the sample), missing values aside."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a column with no value has no mean
        values = inputs.astype(np.float64)
        mean, deviation = np.nanmean(values, axis=0), np.nanstd(values, axis=0, ddof=min(1, len(values) - 1))
    other = fallback or (np.zeros_like(mean), np.ones_like(mean))
    mean, deviation = (
        np.where(np.isnan(mean), other[0], mean),
        np.where(np.isnan(deviation), other[1], deviation),
    )
    # Rounding leaves a constant column with a deviation just above zero.
    constant = deviation <= 1e-6 * np.maximum(1, np.abs(mean))
    return mean, np.where(constant, 1.0, deviation)


def _apply(inputs: Array, statistics: tuple[Array, Array], how: Standardize) -> Array:
    mean, deviation = statistics
    filled = np.where(np.isnan(inputs), mean, inputs)
    return np.asarray(filled if how == "none" else (filled - mean) / deviation, dtype=np.float32)
