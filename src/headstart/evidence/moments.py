"""What a site sends of a client's test examples in the place of rows: sums by class, from which arms are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headstart.core.arrays import Array
from headstart.core.errors import DataError, nearest
from headstart.evidence.outcomes import Outcomes
from headstart.evidence.paired import Paired

_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums over one client's test examples, by class.

    With ``x`` the score of an arm, a seed and an example, and ``X`` its sum over the seeds (whole numbers where scores
    are right or wrong, so that nothing is rounded):

    Attributes:
        arms: names.
        classes: ``(strata,)`` of the client's examples, ascending; -1 for all of them together.
        count: ``(strata,)`` examples of each class.
        sums: ``(strata, arms, seeds)`` of ``x``.
        products: ``(strata, arms, arms)`` sums of ``X`` of one arm times ``X`` of the other.
        by_seed: ``(strata, arms, arms)`` sums of ``x`` times ``x``, seed by seed.
        ahead: ``(strata, arms, arms)`` examples whose ``X`` is greater for the first arm than for the other.
    """

    arms: tuple[str, ...]
    classes: Array
    count: Array
    sums: Array
    products: Array
    by_seed: Array
    ahead: Array


def moments(outcomes: Outcomes, client: int, metric: str = "accuracy") -> Moments:
    """Sum up one client's test examples.

    Args:
        outcomes: predictions of the runs.
        client: its position.
        metric: one that is a mean of examples' parts.

    Raises:
        DataError: an arm lacks a seed, so that its sums could not be compared.
    """
    own = np.flatnonzero(outcomes.owner == client)
    own = own[np.argsort(outcomes.labels[own], kind="stable")]
    classes, begin, count = np.unique(outcomes.labels[own], return_index=True, return_counts=True)
    scores = np.stack([outcomes.scores(arm, metric)[:, own] for arm in outcomes.arms]).astype(np.float64)
    _check(outcomes.arms, scores)
    # What lies before the first class is empty.
    parts = np.split(scores, begin, axis=2)[1:]
    arms, seeds = scores.shape[:2]
    return Moments(
        arms=outcomes.arms,
        classes=classes,
        count=count,
        sums=np.array([part.sum(axis=2) for part in parts]).reshape(-1, arms, seeds),
        products=_products([part.sum(axis=1) for part in parts], arms),
        by_seed=_products([part.reshape(arms, -1) for part in parts], arms),
        ahead=np.array([_ahead(part.sum(axis=1)) for part in parts]).reshape(-1, arms, arms),
    )


def whole(of: Moments) -> Moments:
    """Sum up a client's classes to one stratum; a client without examples keeps none."""
    parts = _together((of.count, of.sums, of.products, of.by_seed, of.ahead))
    return Moments(of.arms, np.full(len(parts[0]), -1), *parts)


def paired_moments(clients: Sequence[Moments], better: str, worse: str | None, *, by_class: bool) -> Paired:
    """Return the moments of the difference of two arms, as :func:`paired` has them from rows.

    Args:
        clients: the sums of each.
        better: an arm's name.
        worse: the name of the arm that is taken from it; None takes nothing.
        by_class: whether strata are classes, as for balanced accuracy, or whole clients.

    Raises:
        DataError: the clients' sums are of other arms or seeds.
    """
    first = clients[0]
    places = [(1, _place(first, better)), *([] if worse is None else [(-1, _place(first, worse))])]
    if any(other.arms != first.arms or other.sums.shape[1:] != first.sums.shape[1:] for other in clients):
        raise DataError("moments: every client must sum up the same arms and seeds, got others; gather them again")
    parts: list[tuple[Array, ...]] = [(m.count, m.sums, m.products, m.by_seed) for m in clients]
    if not by_class:
        parts = [_together(part) for part in parts]
    count, sums, products, by_seed = (np.concatenate(each) for each in zip(*parts, strict=True))
    difference: Array = np.sum([sign * sums[:, at] for sign, at in places], axis=0)
    means = difference.T / count
    seeds, square = len(means), _of_difference(products, places)
    return Paired(
        client=np.repeat(np.arange(len(parts)), [len(part[0]) for part in parts]),
        count=count.astype(np.float64),
        mean=means.mean(axis=0),
        squares=_not_below_zero(count * square - difference.sum(axis=1) ** 2) / (count * seeds**2),
        wobble=_not_below_zero(seeds * _of_difference(by_seed, places) - square) / (seeds * max(1, seeds - 1)),
        by_seed=means,
    )


def _products(parts: Sequence[Array], arms: int) -> Array:
    """Return the products of arms' numbers ``(arms, …)``, summed, for each part ``(parts, arms, arms)``."""
    return np.array([part @ part.T for part in parts]).reshape(-1, arms, arms)


def _together(part: tuple[Array, ...]) -> tuple[Array, ...]:
    """Sum up a client's classes, if it has any."""
    return tuple(values.sum(axis=0, keepdims=True) for values in part) if len(part[0]) else part


def _of_difference(products: Array, places: Sequence[tuple[int, int]]) -> Array:
    """Return the sum of squares of the difference of two arms, or of one ``(strata,)``."""
    found: Array = np.sum([one * other * products[:, a, b] for one, a in places for other, b in places], axis=0)
    return found


def _ahead(totals: Array) -> Array:
    """Count the examples at which each arm is ahead of each other ``(arms, arms)``; rounding is no lead."""
    found: Array = (totals[:, None, :] > totals[None, :, :] + _ROUNDING).sum(axis=2)
    return found


def _not_below_zero(values: Array) -> Array:
    """Undo the rounding of sums of losses."""
    return np.maximum(values, 0.0)


def _place(of: Moments, arm: str) -> int:
    if arm not in of.arms:
        raise DataError(f"moments: no arm '{arm}'; {nearest(arm, of.arms)}")
    return of.arms.index(arm)


def _check(arms: Sequence[str], scores: Array) -> None:
    lacking = [arm for arm, own in zip(arms, scores, strict=True) if not np.isfinite(own).all()]
    if lacking:
        names = ", ".join(lacking)
        raise DataError(f"moments: every arm must have run with every seed, got {names} without one; leave them out")
