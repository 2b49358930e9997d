from __future__ import annotations

import numpy as np
import pytest

from headstart.core.errors import DataError
from headstart.evidence.scores import Scores, from_rows, share_hurt, summarize


def row(arm="ridge", seed=0, client="a", seen=True, split="test", metric="accuracy", value: float | None = 0.5):
    return {
        "arm": arm,
        "seed": seed,
        "client": client,
        "seen": seen,
        "split": split,
        "metric": metric,
        "value": value,
    }


def test_rows_are_placed_by_name_and_other_metrics_and_splits_left_out():
    rows = [
        row(value=0.1),
        row(client="b", value=0.2),
        row(arm="fedavg", seed=1, value=0.3),
        row(metric="log_loss", value=9.0),
        row(split="val", value=9.0),
    ]
    scores = from_rows(rows, "accuracy")
    assert scores.arms == ("ridge", "fedavg")
    assert scores.seeds == (0, 1)
    expected = [[[0.1, 0.2], [np.nan, np.nan]], [[np.nan, np.nan], [0.3, np.nan]]]
    np.testing.assert_array_equal(scores.values, expected)


def test_order_and_choice_of_arms_seeds_and_clients():
    rows = [row(arm=arm, seed=seed, client=client) for arm in "xy" for seed in (0, 1) for client in "ab"]
    scores = from_rows(rows, "accuracy", arms=["y", "never-ran"], seeds=[1], clients=["b"])
    assert scores.values.shape == (2, 1, 1)
    assert scores.of("y") == [[0.5]]
    assert np.isnan(scores.of("never-ran")).all()


def test_a_missing_value_is_nan():
    assert np.isnan(from_rows([row(value=None)], "accuracy").values).all()


def test_doubled_and_contradictory_rows_are_refused():
    with pytest.raises(DataError, match="got a second for arm 'ridge', seed 0, client 'a'"):
        from_rows([row(), row(value=0.6)], "accuracy")
    with pytest.raises(DataError, match="seen or held out in every row, got both for arm 'fedavg'"):
        from_rows([row(), row(arm="fedavg", seen=False)], "accuracy")


def test_bad_shapes_and_names_are_refused():
    with pytest.raises(DataError, match=r"\(arms, seeds, clients\) = \(1, 1, 2\)"):
        Scores(("a",), (0,), ("x", "y"), np.ones(2, dtype=bool), np.zeros((1, 1, 3)))
    with pytest.raises(DataError, match="must be unique"):
        Scores(("a",), (0,), ("x", "x"), np.ones(2, dtype=bool), np.zeros((1, 1, 2)))
    scores = Scores(("ridge",), (0,), ("x",), np.ones(1, dtype=bool), np.zeros((1, 1, 1)))
    with pytest.raises(DataError, match="no arm 'rigde'; did you mean 'ridge'"):
        scores.of("rigde")


def test_decisive_clients_are_seen_ones_with_values():
    values = np.array([[[0.5, np.nan, 0.7]]])
    scores = Scores(("a",), (0,), ("x", "empty", "out"), np.array([True, True, False]), values)
    assert scores.decisive().clients == ("x",)
    assert scores.unseen().clients == ("out",)
    held_out_only = Scores(("a",), (0,), ("x", "empty", "out"), np.zeros(3, dtype=bool), values)
    assert held_out_only.decisive().clients == ("x", "out")


def test_summary_by_hand():
    values = np.array([[0.2, 0.4, 0.6], [0.4, 0.6, 0.8]])
    found = summarize(values)
    assert found.mean == pytest.approx(0.5)
    assert found.sd == pytest.approx(0.2)
    assert found.sd_seeds == pytest.approx(np.std([0.4, 0.6], ddof=1))
    assert found.worst_client == pytest.approx(0.3)
    assert found.worst_decile == pytest.approx((0.24 + 0.44) / 2)
    assert summarize(values, lower_is_better=True).worst_client == pytest.approx(0.7)


def test_summary_without_values_is_nan():
    assert np.isnan(summarize(np.full((2, 3), np.nan))).all()


def test_summary_leaves_missing_values_out():
    assert summarize(np.array([[0.5, np.nan], [0.7, 0.9]])).mean == pytest.approx((0.5 + 0.8) / 2)


def test_share_hurt_counts_clients_not_cells():
    ours = np.array([[0.5, 0.9, 0.3, np.nan], [0.9, 0.9, 0.3, 0.1]])
    reference = np.array([[0.6, 0.8, 0.3, 0.1], [0.6, 0.8, 0.4, np.nan]])
    assert share_hurt(ours, reference) == pytest.approx(1 / 3)
    assert share_hurt(ours, reference, lower_is_better=True) == pytest.approx(2 / 3)
    assert np.isnan(share_hurt(np.full((1, 2), np.nan), np.ones((1, 2))))
