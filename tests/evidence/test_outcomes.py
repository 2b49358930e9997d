from __future__ import annotations

import numpy as np
import pytest

from headstart.core.errors import DataError
from headstart.evidence.outcomes import Outcomes
from known_outcomes import outcomes


def test_scores_are_right_or_wrong_and_missing_where_a_run_is():
    found = outcomes({"a": 0.8}, clients=1, examples=3, seeds=2)
    found.predicted[0, 1] = -1
    scores = found.scores("a", "balanced_accuracy")
    assert np.array_equal(scores[0], found.predicted[0, 0] == found.labels)
    assert np.isnan(scores[1]).all()


def test_losses_turn_so_that_greater_is_better():
    found = outcomes({"a": 0.8}, clients=1, examples=3, seeds=1)
    with pytest.raises(DataError, match="'log_loss' needs its parts of examples"):
        found.scores("a", "log_loss")
    kept = Outcomes(**{**vars(found), "parts": np.full((1, 1, 3), 0.5), "metric": "log_loss"})
    assert kept.scores("a", "log_loss").tolist() == [[-0.5] * 3]


def test_an_unknown_arm_and_a_wrong_shape_are_refused():
    found = outcomes({"ridge": 0.8})
    with pytest.raises(DataError, match="no arm 'rigde'; did you mean 'ridge'"):
        found.scores("rigde", "accuracy")
    with pytest.raises(DataError, match=r"predicted must be \(arms, seeds, rows\)"):
        Outcomes(**{**vars(found), "predicted": found.predicted[:, :1]})
