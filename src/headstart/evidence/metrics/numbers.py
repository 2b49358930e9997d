"""Metrics of predicted numbers: in the target's unit; of several targets means of each, errors in their scales."""

from __future__ import annotations

import numpy as np

from headstart.core.arrays import Array
from headstart.evidence.metrics.scored import Scored, nan_means


def errors(s: Scored) -> Array:
    """Return predicted minus true ``(n, targets)``, of several targets in standard deviations; infinite if not finite.

    The standard deviations are the task's, of the training examples.
    """
    found = np.where(s.finite[:, None], s.predictions.astype(np.float64) - s.truth, np.inf)
    return found if found.shape[1] == 1 else found / np.asarray(s.task.scales or 1.0)


def absolute(s: Scored) -> Array:
    """Return each row's absolute error, mean over targets ``(n,)``."""
    found: Array = np.abs(errors(s)).mean(axis=1)
    return found


def rmse(s: Scored) -> Array:
    """Root mean squared error."""
    roots: Array = np.sqrt(_by_client(s, errors(s) ** 2)).mean(axis=1)
    return roots


def rmse_parts(s: Scored) -> Array:
    """Return ``RMSE + (e² - MSE) / (2 RMSE)``, whose mean is the RMSE: what each row moves in it ``(n,)``."""
    squares = errors(s) ** 2
    means = _by_client(s, squares)[s.client_of]
    roots = np.sqrt(means)
    moved = np.divide(squares - means, 2 * roots, out=np.zeros_like(squares), where=_usable(roots))
    found: Array = (roots + moved).mean(axis=1)
    return found


def r2(s: Scored) -> Array:
    """Share of the variance of a client's own rows that is explained; NaN where the truth is one value."""
    squares, spread = _by_client(s, errors(s) ** 2), _by_client(s, _off_centre(s) ** 2)
    return nan_means(_one_minus(squares, spread), 1)


def r2_parts(s: Scored) -> Array:
    """Return what each row moves in the R², whose mean is the R² ``(n,)``: influence values of a ratio of means."""
    squares, spreads = errors(s) ** 2, _off_centre(s) ** 2
    top, below = _by_client(s, squares)[s.client_of], _by_client(s, spreads)[s.client_of]
    safe = np.where(below > 0, below, np.nan)
    return nan_means(1 - top / safe - (squares - top) / safe + top * (spreads - below) / safe**2, 1)


def spearman(s: Scored) -> Array:
    """Correlation of ranks; NaN where the truth is one value, 0 where the predictions are: they order nothing."""
    guessed = np.where(s.finite[:, None], s.predictions.astype(np.float64), -np.inf)
    each = [_of_ranks(s, s.truth[:, at], guessed[:, at]) for at in range(s.truth.shape[1])]
    return nan_means(np.stack(each, axis=1), 1)


def _of_ranks(s: Scored, truth: Array, guessed: Array) -> Array:
    first, second = (_ranks(s, values) for values in (truth, guessed))
    both, one, other = (s.means(product) for product in (first * second, first**2, second**2))
    spread = np.sqrt(one * other)
    found = np.divide(both, spread, out=np.zeros_like(both), where=spread > 0)
    return np.where(one > 0, found, np.nan)


def _ranks(s: Scored, values: Array) -> Array:
    """Return each row's rank at its client, ties alike, less their mean ``(n,)``."""
    order = np.lexsort((values, s.client_of))
    owner, ordered = s.client_of[order], values[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (owner[1:] != owner[:-1]) | (ordered[1:] != ordered[:-1])
    found = np.empty(len(order))
    begin, run = np.flatnonzero(new), np.cumsum(new) - 1
    found[order] = ((begin + np.append(begin[1:], len(order))) / 2)[run]
    centred: Array = found - s.means(found)[s.client_of]
    return centred


def _off_centre(s: Scored) -> Array:
    """Return true values less their client's mean, in the errors' unit ``(n, targets)``; exactly 0 where all agree."""
    found = s.truth - _by_client(s, s.truth)[s.client_of]
    found[np.abs(found) < 1e-12 * np.maximum(np.abs(s.truth), 1.0)] = 0.0
    return found if found.shape[1] == 1 else found / np.asarray(s.task.scales or 1.0)


def _by_client(s: Scored, values: Array) -> Array:
    """Average columns by client ``(clients, targets)``."""
    return np.stack([s.means(column) for column in values.T], axis=1)


def _one_minus(part: Array, whole: Array) -> Array:
    return 1 - np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)


def _usable(roots: Array) -> Array:
    return (roots > 0) & np.isfinite(roots)
