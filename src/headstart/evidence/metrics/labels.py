"""Metrics of several labels, each of which an example may have: means over the labels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from headstart.core.arrays import Array
from headstart.evidence.metrics.ranking import Ranked, rank
from headstart.evidence.metrics.scored import Scored, nan_means, ratio


def right(s: Scored) -> Array:
    """Return each row's share of labels that are right at one half (Hamming accuracy)."""
    hits = (s.predictions > 0.5) == (s.truth > 0.5)
    shares: Array = np.where(s.finite, hits.mean(axis=1), 0.0)
    return shares


def log_losses(s: Scored) -> Array:
    """Return each row's log loss in nats, mean over labels, probabilities clipped at their type's machine epsilon."""
    epsilon = np.finfo(np.result_type(s.predictions, np.float32)).eps
    losses: Array = -np.log(np.clip(_of_truth(s), epsilon, 1 - epsilon)).mean(axis=1)
    return losses


def briers(s: Scored) -> Array:
    """Return each row's squared error of the probabilities, mean over labels."""
    squares: Array = ((1 - _of_truth(s)) ** 2).mean(axis=1)
    return squares


def auroc(s: Scored) -> Array:
    """Mean over the labels that some of a client's rows have and others have not."""
    return nan_means(_each_auroc(s), 1)


def auprc(s: Scored) -> Array:
    """Mean average precision over the same labels."""
    return nan_means(np.stack([found.average_precision for found in each_ranked(s)], axis=1), 1)


def _each_auroc(s: Scored) -> Array:
    """AUROC of each label ``(clients, labels)``."""
    return np.stack([found.auroc for found in each_ranked(s)], axis=1)


def auroc_parts(s: Scored) -> Array:
    """Return parts whose mean over a client's rows is its AUROC ``(n,)``: what each row moves in each label's."""
    each, moved = _each_auroc(s), np.zeros(len(s.truth))
    known, mine = np.isfinite(each).sum(axis=1)[s.client_of], s.examples[s.client_of]
    for at, found in enumerate(each_ranked(s)):
        alike = np.where(found.positive, found.positives[s.client_of], found.negatives[s.client_of])
        moved += np.nan_to_num(mine / np.maximum(alike, 1) * (found.placement - each[s.client_of, at]))
    # A label's positives and negatives both move it, each by their own share.
    parts: Array = auroc(s)[s.client_of] + moved / np.maximum(known, 1)
    return parts


def f1(s: Scored) -> Array:
    """Mean F1 over the labels with a cut and a positive, where rows above the client's cut have the label."""
    return nan_means(each_f1(s), 1)


def each_f1(s: Scored) -> Array:
    """F1 of each label ``(clients, labels)``; NaN without a cut or a positive."""
    cuts = s.cuts["f1"] if "f1" in s.cuts else best_cuts(s)[s.client_of]
    return np.stack([_f1(s, at, cuts[:, at]) for at in range(s.truth.shape[1])], axis=1)


def best_cuts(s: Scored) -> Array:
    """Return above which probability each label's F1 is greatest at each client ``(clients, labels)``."""
    found = [np.where(one.negatives > 0, one.best_cut, np.nan) for one in each_ranked(s)]
    return np.stack(found, axis=1)


def at_one_half(s: Scored) -> tuple[Array, Array]:
    """Return recall and F1 of each label over all rows, had where it is likelier than not ``(labels,)``."""
    true, said = s.truth > 0.5, (s.predictions > 0.5) & s.finite[:, None]
    hits = (true & said).sum(axis=0)
    return ratio(hits, true.sum(axis=0)), ratio(2 * hits, true.sum(axis=0) + said.sum(axis=0))


def each_ranked(s: Scored) -> Iterator[Ranked]:
    """Rank the rows by each label."""
    for at in range(s.truth.shape[1]):
        positive = s.truth[:, at] > 0.5
        scores = np.where(s.finite, s.predictions[:, at], np.where(positive, -1.0, 2.0))
        yield rank(positive, scores, s.client_of, s.num_clients)


def _f1(s: Scored, at: int, cuts: Array) -> Array:
    positive, above = s.truth[:, at] > 0.5, s.finite & (s.predictions[:, at] > cuts)
    hits, guessed, positives, uncut = (
        np.bincount(s.client_of[rows], minlength=s.num_clients)
        for rows in (positive & above, above, positive, np.isnan(cuts))
    )
    return np.where((uncut == 0) & (positives > 0), ratio(2 * hits, guessed + positives), np.nan)


def _of_truth(s: Scored) -> Array:
    """Return the probability of what is true of each label ``(n, labels)``; 0 in rows that are not finite."""
    said = s.predictions.astype(np.float64)
    return np.where(s.finite[:, None], np.where(s.truth > 0.5, said, 1 - said), 0.0)
