"""One sort says placements, precisions and thresholds of every client."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.evidence.metrics.ranking import cut_at_specificity, rank


def test_clients_are_ranked_among_themselves() -> None:
    positive, scores = np.array([True, False, True, False]), np.array([0.9, 0.8, 0.2, 0.7])
    found = rank(positive, scores, np.array([0, 0, 1, 1]), 2)
    assert found.auroc.tolist() == [1.0, 0.0]
    assert found.placement.tolist() == [1.0, 1.0, 0.0, 0.0]
    assert found.average_precision.tolist() == [1.0, 0.5]


def test_ties_count_half_and_share_a_precision() -> None:
    found = rank(np.array([True, False, True]), np.array([0.5, 0.5, 0.5]), np.zeros(3, dtype=int), 1)
    assert found.placement.tolist() == [0.5, 0.5, 0.5]
    assert found.precision == pytest.approx([2 / 3] * 3)
    assert found.best_cut[0] == -np.inf, "all of one score count as positive"


def test_the_highest_of_equal_cuts_is_taken_halfway_to_the_next_score() -> None:
    found = rank(np.array([False, True, False]), np.array([0.2, 0.9, 0.4]), np.zeros(3, dtype=int), 1)
    assert found.best_cut[0] == pytest.approx(0.65)


def test_no_rows_and_one_class_have_no_value() -> None:
    empty = rank(np.zeros(0, dtype=bool), np.zeros(0), np.zeros(0, dtype=int), 2)
    assert np.isnan([empty.auroc, empty.average_precision, empty.best_cut]).all()
    alone = rank(np.array([True, True]), np.array([0.1, 0.9]), np.zeros(2, dtype=int), 1)
    assert np.isnan(alone.auroc[0])
    assert np.isnan(cut_at_specificity(np.array([True]), np.array([0.5]), np.zeros(1, dtype=int), 1, 0.9)[0])
