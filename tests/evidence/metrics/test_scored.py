"""Rows of truth and predictions are checked, and averaged by client."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.core.errors import DataError
from headstart.core.task import Task, classification
from headstart.evidence.metrics.scored import Scored, Scoring, low_quantile, nan_means

NUMBERS = Task(kind="regression", outputs=("y",))


def test_means_by_client_are_nan_without_rows() -> None:
    rows = (np.zeros((3, 1)), np.zeros((3, 1)), np.array([0, 0, 2]))
    found = Scored(*rows, 3, NUMBERS)
    np.testing.assert_array_equal(found.means(np.array([1.0, 2.0, 5.0])), [1.5, np.nan, 5.0])


@pytest.mark.parametrize(
    ("task", "truth"),
    [(NUMBERS, (2,)), (NUMBERS, (2, 3)), (Task(kind="survival", outputs=("risk",)), (2, 1)), (NUMBERS, (3, 1))],
)
def test_truth_of_another_shape_is_refused(task: Task, truth: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="one row per example"):
        Scored(np.zeros(truth), np.zeros((2, 1)), np.zeros(2, dtype=int), 1, task)


def test_the_positive_class_is_the_last_of_two_or_named() -> None:
    two, three = classification(("a", "b")), classification(("a", "b", "c"))
    assert (Scoring().positive_of(two), Scoring().positive_of(three)) == (1, None)
    assert Scoring(positive=0).positive_of(two) == 0


def test_what_is_missing_is_left_out() -> None:
    values = np.array([[1.0, np.nan], [3.0, np.nan]])
    np.testing.assert_array_equal(nan_means(values, 0), [2.0, np.nan])
    assert low_quantile(values[:, 0], 0.5) == 2.0
    assert np.isnan(low_quantile(values[:, 1], 0.5))
