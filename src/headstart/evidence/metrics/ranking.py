"""Scores in order, of every client at once: placements (AUROC), precisions (AUPRC) and thresholds from one sort."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headstart.core.arrays import Array
from headstart.evidence.metrics.scored import ratio


@dataclass(frozen=True, eq=False)
class Ranked:
    """Rows that are positive or not, put in order by their scores, each client's among themselves.

    Attributes:
        positive: ``(n,)`` bool.
        client_of: ``(n,)`` int.
        positives: of each client ``(clients,)``.
        negatives: likewise.
        placement: ``(n,)`` share of the other class that the row is on the right side of, ties half (DeLong, DeLong,
            Clarke-Pearson, Biometrics 44(3), 1988: V10 of positives, V01 of negatives); NaN without the other class.
        precision: ``(n,)`` share of positives among the rows with at least its score.
        best_cut: ``(clients,)`` the score above which F1 is greatest, halfway to the next lower one, minus infinity
            where all count; NaN without positives.
    """

    positive: Array
    client_of: Array
    positives: Array
    negatives: Array
    placement: Array
    precision: Array
    best_cut: Array

    @property
    def auroc(self) -> Array:
        """Area under each client's ROC curve ``(clients,)``; NaN with one class only."""
        return np.where(self.negatives > 0, self._over_positives(np.nan_to_num(self.placement)), np.nan)

    @property
    def average_precision(self) -> Array:
        """Each client's average precision ``(clients,)``, without interpolation; NaN with one class only."""
        return np.where(self.negatives > 0, self._over_positives(self.precision), np.nan)

    def _over_positives(self, values: Array) -> Array:
        total = np.bincount(self.client_of, np.where(self.positive, values, 0.0), len(self.positives))
        return ratio(total, self.positives)


def rank(positive: Array, scores: Array, client_of: Array, num_clients: int) -> Ranked:
    """Put rows in order.

    Args:
        positive: ``(n,)`` bool.
        scores: ``(n,)`` finite, greater for what is likelier positive.
        client_of: ``(n,)`` int.
        num_clients: number of clients.

    >>> found = rank(np.array([False, True, True]), np.array([0.2, 0.2, 0.9]), np.zeros(3, int), 1)
    >>> found.auroc.tolist(), found.placement.tolist()
    ([0.75], [0.75, 0.5, 1.0])
    """
    order = np.lexsort((scores, client_of))
    owner, score = client_of[order], scores[order]
    total = np.bincount(owner, minlength=num_clients)
    ends = np.cumsum(total)
    counted = np.concatenate([[0], np.cumsum(positive[order])])
    positives = np.bincount(owner, positive[order], num_clients)
    # Rows of one client with one score are a run.
    first = np.ones(len(order), dtype=bool)
    first[1:] = (owner[1:] != owner[:-1]) | (score[1:] != score[:-1])
    run, begin = np.cumsum(first) - 1, np.flatnonzero(first)
    end, of = np.append(begin[1:], len(order)), owner[begin]
    start, stop = ends[of] - total[of], ends[of]
    ties = counted[end] - counted[begin]
    above = counted[stop] - counted[end]
    below = (begin - counted[begin]) - (start - counted[start])
    tied_negatives = (end - begin) - ties
    won = ratio(below + tied_negatives / 2, total[of] - positives[of])
    lost = ratio(above + ties / 2, positives[of])
    precision = (above + ties) / (stop - begin)
    f1 = ratio(2.0 * (above + ties), np.where(positives[of] > 0, stop - begin + positives[of], 0.0))
    placement, shares = np.empty(len(order)), np.empty(len(order))
    placement[order] = np.where(positive[order], won[run], lost[run])
    shares[order] = precision[run]
    cuts = _best_cuts(f1, score[begin], of, num_clients)
    return Ranked(positive, client_of, positives, total - positives, placement, shares, cuts)


def _best_cuts(f1: Array, score: Array, of: Array, num_clients: int) -> Array:
    """Return below which score of its runs each client's F1 is greatest, the highest of equals ``(clients,)``."""
    best = np.full(num_clients, -1.0)
    np.maximum.at(best, of, np.nan_to_num(f1, nan=-1.0))
    at = np.full(num_clients, -1)
    among = np.flatnonzero(f1 == best[of])
    # Of an index that is written twice the last stays: the run with the highest score.
    at[of[among]] = among
    first = np.concatenate([[True], of[1:] != of[:-1]]) if len(of) else np.zeros(0, dtype=bool)
    lower = np.where(first, -np.inf, (score + np.roll(score, 1)) / 2) if len(of) else score
    return np.where(at >= 0, lower[at], np.nan) if len(of) else np.full(num_clients, np.nan)


def cut_at_specificity(positive: Array, scores: Array, client_of: Array, num_clients: int, least: float) -> Array:
    """Return the lowest score above which at least so large a share of negatives does not lie ``(clients,)``.

    NaN for a client without negatives.

    >>> cut_at_specificity(np.zeros(4, bool), np.array([0.1, 0.2, 0.3, 0.4]), np.zeros(4, int), 1, 0.75).tolist()
    [0.3]
    """
    owner, score = client_of[~positive], scores[~positive]
    order = np.lexsort((-score, owner))
    count = np.bincount(owner, minlength=num_clients)
    allowed = np.floor((1 - least) * count + 1e-9).astype(np.int64)
    at = np.cumsum(count) - count + allowed
    cuts = np.full(num_clients, np.nan)
    cuts[count > 0] = score[order][at[count > 0]]
    return cuts
