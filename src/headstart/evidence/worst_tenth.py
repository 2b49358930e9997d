"""How arms do for the worst tenth of the clients, and how much that varies from what it does on average.

The draws are paired: each redraws the seeds, and the clients (*like these*) or the test examples within each client, by
class where a metric goes by class (*these*), with replacement and the same for every arm; see
:mod:`headstart.evidence.bootstrap`. Of two arms only the moments of their difference are kept: the variance of any
mixture of mean and worst tenth follows from three numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headstart.core.arrays import Array
from headstart.evidence.bootstrap import resample
from headstart.evidence.contest import Contest
from headstart.evidence.sides import Units

_TENTH = 0.1
_MOST, _FEWEST = 400, 50
_CELLS = {"like these": 150_000_000, "these": 2_000_000_000}
"""Numbers that all draws may look at together: fewer draws are made where more are there."""


def levels_of(contest: Contest, arms: Sequence[str]) -> Array:
    """Return each arm's mean over clients and the boundary of its worst tenth ``(arms, 2)``, greater is better."""
    summaries = [contest.summaries[arm] for arm in arms]
    found: Array = contest.sign * np.array([(one.mean, one.worst_decile) for one in summaries]).reshape(-1, 2)
    return found


def spreads(contest: Contest, arms: Sequence[str]) -> Array | None:
    """Return how much differences of arms vary ``(arms, arms, 3)``; None where nothing can be redrawn.

    The three numbers are the variance of the difference in means, its covariance with that in worst tenths, and the
    variance of the latter. NaN for an arm that lacks a seed or a client.
    """
    drawn = _draws(contest, arms)
    if drawn is None:
        return None
    difference = drawn[:, :, None] - drawn[:, None, :]
    difference -= difference.mean(axis=0)
    pairs = ((0, 0), (0, 1), (1, 1))
    found: Array = np.stack([(difference[..., a] * difference[..., b]).mean(axis=0) for a, b in pairs], axis=-1)
    return found


def _draws(contest: Contest, arms: Sequence[str]) -> Array | None:
    """Return the mean and the worst tenth of every draw ``(draws, arms, 2)``."""
    if not arms:
        return None
    if contest.rule.scope == "like these":
        values = contest.sign * np.stack([contest.scores.of(arm) for arm in arms])
        return _redraw_clients(values, contest.seed)
    units = contest.evidence
    if not isinstance(units, Units) or len(np.unique(units.client)) == len(units.client):
        return None
    return _redraw_examples(np.stack([units.values[arm] for arm in arms]), units, contest.seed)


def _redraw_clients(values: Array, seed: int) -> Array:
    """Redraw the clients of ``(arms, seeds, clients)``."""
    clients = values.shape[2]
    counts = resample(values.shape[1], clients, draws=_number(values.size, "like these"), seed=seed)
    taken = (np.repeat(np.arange(clients), own.astype(np.int64)) for own in counts.clients)
    levels = np.stack([_levels(values[:, :, places]) for places in taken])
    return _over_seeds(levels, counts.seeds)


def _redraw_examples(values: Array, units: Units, seed: int) -> Array:
    """Redraw the test examples of ``(arms, seeds, examples)`` within each client's strata."""
    draws, generator = _number(values.size, "these"), np.random.default_rng(seed)
    flat = values.reshape(-1, values.shape[2])
    clients = [_one_client(flat, np.flatnonzero(units.client == at), units.stratum, draws, generator)
               for at in np.unique(units.client)]  # fmt: skip
    scores = np.stack(clients, axis=-1).reshape(draws, *values.shape[:2], len(clients))
    return _over_seeds(_levels(scores), resample(values.shape[1], 0, draws=draws, seed=seed).seeds)


def _one_client(flat: Array, rows: Array, strata: Array, draws: int, generator: np.random.Generator) -> Array:
    """Return one client's score in every draw ``(draws, arms * seeds)``: the mean over its strata."""
    names, scores = np.unique(strata[rows]), np.zeros((draws, len(flat)))
    for name in names:
        own = rows[strata[rows] == name]
        weights = generator.multinomial(len(own), np.full(len(own), 1 / len(own)), size=draws) / len(own)
        scores += weights @ flat[:, own].T / len(names)
    return scores


def _levels(scores: Array) -> Array:
    """Return mean and worst tenth over clients ``(…, 2)`` of ``(…, clients)``."""
    return np.stack([scores.mean(axis=-1), np.quantile(scores, _TENTH, axis=-1)], axis=-1)


def _over_seeds(levels: Array, seeds: Array) -> Array:
    """Average ``(draws, arms, seeds, 2)`` over the seeds that each draw took."""
    found: Array = np.einsum("dasx,ds->dax", levels, seeds / seeds.sum(axis=1, keepdims=True))
    return found


def _number(cells: int, scope: str) -> int:
    return int(np.clip(_CELLS[scope] // max(1, cells), _FEWEST, _MOST))
