"""Metrics of telling classes apart.

No client's confusion matrix is built: its row sums, column sums and diagonal are three bincounts, and
accuracy, balanced accuracy and F1 need no more.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from headstart.core.arrays import Array
from headstart.evidence.metrics.ranking import Ranked, cut_at_specificity, rank
from headstart.evidence.metrics.scored import Scored, nan_means, ratio

_CALIBRATION_BINS = 15
_BELOW, _ABOVE = -1.0, 2.0
"""Scores of rows that are not finite: certain and wrong, beyond any probability."""


def predicted(s: Scored) -> Array:
    """Return the likeliest class of each row; the number of classes where it is not finite, which is never right."""
    likeliest: Array = np.where(s.finite, np.argmax(s.predictions, axis=1), s.predictions.shape[1])
    return likeliest


def right(s: Scored) -> Array:
    """Return 1 for each row whose class is the likeliest."""
    hits: Array = (predicted(s) == s.truth).astype(np.float64)
    return hits


def log_losses(s: Scored) -> Array:
    """Return the log loss of each row in nats, probabilities clipped at their type's machine epsilon."""
    epsilon = np.finfo(np.result_type(s.predictions, np.float32)).eps
    chosen = np.where(s.finite, s.predictions[np.arange(len(s.truth)), s.truth], 0.0).astype(np.float64)
    losses: Array = -np.log(np.clip(chosen, epsilon, 1 - epsilon))
    return losses


def confidence(s: Scored) -> Array:
    """Return the top probability of each row, 1 where it is not finite."""
    return np.where(s.finite, s.predictions.max(axis=1), 1.0).astype(np.float64)


def briers(s: Scored) -> Array:
    """Return each row's squared error of the probabilities: of the positive one of two, summed over more classes."""
    classes = s.predictions.shape[1]
    wrong = s.predictions.astype(np.float64) - np.eye(classes)[s.truth]
    squares = np.where(s.finite, (np.nan_to_num(wrong) ** 2).sum(axis=1), 2.0)
    return squares / 2 if classes == 2 else squares


def balanced_accuracy(s: Scored) -> Array:
    """Mean recall over the classes that a client's rows have."""
    classes = s.predictions.shape[1]
    hits = predicted(s) == s.truth
    return _mean_over_classes(s.counts(s.truth, classes, hits), s.counts(s.truth, classes))


def macro_f1(s: Scored) -> Array:
    """Mean F1 over the classes labelled or predicted at a client."""
    return _mean_over_classes(*_f1_parts(s))


def each_f1(s: Scored) -> Array:
    """F1 of each class that is labelled or predicted there ``(clients, classes)``, by the likeliest class."""
    return ratio(*_f1_parts(s))


def each_recall(s: Scored) -> Array:
    """Recall of each class ``(clients, classes)``, by the likeliest class."""
    classes, hits = s.predictions.shape[1], predicted(s) == s.truth
    return ratio(s.counts(s.truth, classes, hits), s.counts(s.truth, classes))


def calibration_error(s: Scored) -> Array:
    """Expected calibration error over 15 equal bins of the top probability (Guo et al. 2017, eq. 3)."""
    # Bins are (low, high], as in the paper.
    sure, hits = confidence(s), predicted(s) == s.truth
    bins = np.clip(np.ceil(sure * _CALIBRATION_BINS).astype(np.int64) - 1, 0, _CALIBRATION_BINS - 1)
    cells = s.client_of.astype(np.int64) * _CALIBRATION_BINS + bins
    gaps = np.bincount(cells, weights=hits - sure, minlength=s.num_clients * _CALIBRATION_BINS)
    return ratio(np.abs(gaps).reshape(s.num_clients, _CALIBRATION_BINS).sum(axis=1), s.examples)


def auroc(s: Scored) -> Array:
    """Area under the ROC curve; of more than two classes the mean of each that is there against all others."""
    return nan_means(np.stack([found.auroc for _, found in _one_against_rest(s)], axis=1), 1)


def auprc(s: Scored) -> Array:
    """Average precision of the positive class; of more than two classes the mean over those that are there."""
    return nan_means(np.stack([found.average_precision for _, found in _one_against_rest(s)], axis=1), 1)


def each_ranked(s: Scored) -> Iterator[Ranked]:
    """Rank each class against all others, in the classes' order."""
    return (_ranked(s, at) for at in range(s.predictions.shape[1]))


def auroc_parts(s: Scored) -> Array:
    """Return placements whose means, averaged over a client's classes, are its AUROC ``(n,)``.

    Of two classes ``2 V - A``: their variances within classes make DeLong's ``S10 / m + S01 / n`` (Biometrics 44(3),
    1988). Of more, each row adds what it moves in every class's AUROC, as a positive or as one of the others.
    """
    classes = s.predictions.shape[1]
    counts, area = s.counts(s.truth, classes).astype(np.float64), auroc(s)[s.client_of]
    own, moved, mine = counts[s.client_of, s.truth], np.zeros(len(s.truth)), s.examples[s.client_of]
    ranked = list(_one_against_rest(s))
    for at, found in ranked:
        rest = mine - counts[s.client_of, at]
        weight = np.where(found.positive, 1.0, own / np.maximum(rest, 1))
        moved += np.nan_to_num(weight * (found.placement - found.auroc[s.client_of]))
    return area + (2 * moved if len(ranked) == 1 else moved)


def f1(s: Scored) -> Array:
    """F1 of the positive class, where a row counts as positive above the client's cut."""
    found, above = _positive(s), _is_above(s, "f1")
    hits = _rows(s, found.positive & (above == 1))
    return _where_cut(s, above, ratio(2 * hits, found.positives + _rows(s, above == 1)), found.positives)


def sensitivity(s: Scored) -> Array:
    """Share of positives above the client's cut, which leaves enough negatives below."""
    found, above = _positive(s), _is_above(s, "sensitivity_at_specificity")
    return _where_cut(s, above, ratio(_rows(s, found.positive & (above == 1)), found.positives), found.positives)


def best_cuts(s: Scored) -> Array:
    """Return above which probability of the positive class each client's F1 is greatest ``(clients, 1)``."""
    found = _positive(s)
    return np.where(found.negatives > 0, found.best_cut, np.nan)[:, None]


def specific_cuts(s: Scored) -> Array:
    """Return above which probability few enough of a client's negatives lie ``(clients, 1)``."""
    positive, scores = _against_rest(s, s.scoring.positive_of(s.task) or 0)
    return cut_at_specificity(positive, scores, s.client_of, s.num_clients, s.scoring.specificity)[:, None]


def _one_against_rest(s: Scored) -> Iterator[tuple[int, Ranked]]:
    """Rank each class; of two, one says all."""
    if s.predictions.shape[1] == 2:
        at = 1 if s.scoring.positive is None else s.scoring.positive
        yield at, _ranked(s, at)
    else:
        yield from enumerate(each_ranked(s))


def _positive(s: Scored) -> Ranked:
    return _ranked(s, s.scoring.positive_of(s.task) or 0)


def _ranked(s: Scored, at: int) -> Ranked:
    return rank(*_against_rest(s, at), s.client_of, s.num_clients)


def _against_rest(s: Scored, at: int) -> tuple[Array, Array]:
    """Return which rows are of a class, and their scores."""
    positive: Array = s.truth == at
    return positive, np.where(s.finite, s.predictions[:, at], np.where(positive, _BELOW, _ABOVE))


def _is_above(s: Scored, metric: str) -> Array:
    """Return 1 where a row counts as positive, NaN where its client has no cut ``(n,)``."""
    _, scores = _against_rest(s, s.scoring.positive_of(s.task) or 0)
    cuts = s.cuts.get(metric)
    own = cuts[:, 0] if cuts is not None else _CUTS[metric](s)[s.client_of, 0]
    return np.where(np.isnan(own), np.nan, scores > own)


def _where_cut(s: Scored, above: Array, values: Array, positives: Array) -> Array:
    """Keep the values of clients with a cut and a positive."""
    uncut = _rows(s, np.isnan(above))
    return np.where((uncut == 0) & (positives > 0), values, np.nan)


def _rows(s: Scored, kept: Array) -> Array:
    return np.bincount(s.client_of[kept], minlength=s.num_clients)


def _f1_parts(s: Scored) -> tuple[Array, Array]:
    classes, guessed = s.predictions.shape[1], predicted(s)
    hits = s.counts(s.truth, classes, guessed == s.truth)
    return 2 * hits, s.counts(s.truth, classes) + s.counts(guessed, classes, s.finite)


def _mean_over_classes(part: Array, whole: Array) -> Array:
    """Mean of part / whole over the classes whose whole is not empty."""
    shares = np.divide(part, whole, out=np.zeros(whole.shape), where=whole > 0)
    return ratio(shares.sum(axis=1), (whole > 0).sum(axis=1))


_CUTS = {"f1": best_cuts, "sensitivity_at_specificity": specific_cuts}
