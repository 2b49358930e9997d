from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from headstart.evidence.metrics import measure
from headstart.evidence.scores import Scores
from headstart.evidence.sides import client_units, example_units, pick
from headstart.evidence.summed import evidence_of
from known_outcomes import entrants, outcomes


def test_validation_picks_and_cost_settles_equals():
    units = example_units(outcomes({"a": 0.9, "b": 0.8, "c": 0.7}), "accuracy")
    known = entrants({"a": "fine-tune", "b": "fine-tune", "c": "fine-tune"}, {"a": 0.6, "b": 0.8, "c": 0.8})
    side = pick(["a", "b", "c"], known, units)
    assert side is not None
    assert (side.arm, side.picked_by) == ("b", "validation")
    assert np.array_equal(side.values, units.values["b"])


def test_an_arm_without_validation_score_is_not_picked_beside_one_with():
    units = example_units(outcomes({"a": 0.9, "b": 0.8}), "accuracy")
    side = pick(["a", "b"], entrants({"a": "both", "b": "both"}, {"b": 0.1}), units)
    assert side is not None
    assert side.arm == "b"


def test_without_validation_no_example_picks_what_it_judges():
    units = example_units(outcomes({"a": 0.8, "b": 0.8}, clients=2, examples=25), "accuracy")
    side = pick(["a", "b"], entrants({"a": "both", "b": "both"}), units)
    assert side is not None
    assert side.picked_by == "cross-fitting"
    for fold in range(5):
        kept = units.folds != fold
        best = max(["a", "b"], key=lambda arm: units.values[arm][:, kept].mean())
        assert np.array_equal(side.values[:, ~kept], units.values[best][:, ~kept])


def test_the_better_of_equal_arms_is_no_better_on_the_test():
    # Chosen by the test itself, the better of six equal arms would look 2 points better than it is.
    names = [f"arm{i}" for i in range(6)]
    gains = []
    for seed in range(60):
        units = example_units(outcomes(dict.fromkeys(names, 0.8), examples=50, seed=seed), "accuracy")
        side = pick(names, entrants(dict.fromkeys(names, "both")), units)
        assert side is not None
        gains.append(side.values.mean() - np.mean([units.values[arm].mean() for arm in names]))
    assert abs(np.mean(gains)) < 3 * np.std(gains) / np.sqrt(60) + 1e-3


def test_folds_share_out_every_clients_examples():
    folds = example_units(outcomes({"a": 0.8}, clients=3, examples=10), "accuracy").folds
    assert [np.bincount(folds[i * 10 : (i + 1) * 10]).tolist() for i in range(3)] == [[2] * 5] * 3


def test_nobody_stands_for_no_arms():
    units = example_units(outcomes({"a": 0.8}), "accuracy")
    assert pick([], {}, units) is None


def test_held_out_clients_decide_nothing_unless_there_are_no_others():
    assert set(example_units(outcomes({"a": 0.8}, held_out=1), "accuracy").client) == {0, 1, 2}
    assert set(example_units(outcomes({"a": 0.8}, held_out=4), "accuracy").client) == {0, 1, 2, 3}


@pytest.mark.parametrize(("metric", "strata"), [("accuracy", 4), ("balanced_accuracy", 12)])
def test_strata(metric, strata):
    units = example_units(outcomes({"a": 0.8}, classes=3), metric)
    assert len(np.unique(units.stratum)) == strata


def test_clients_stand_in_where_examples_say_nothing():
    scores = Scores(("a",), (0, 1, 2), ("x", "y"), np.ones(2, dtype=bool), np.full((1, 3, 2), 0.25))
    for found in (
        evidence_of(None, scores, measure("accuracy")),
        evidence_of(outcomes({"a": 0.8}), scores, measure("macro_f1")),
    ):
        assert found.values["a"].shape == (3, 2)
        assert not found.right_or_wrong
        assert not found.is_share
    assert client_units(scores, "calibration_error").values["a"][0, 0] == -0.25


def test_held_out_clients_decide_where_seen_ones_have_no_example():
    found = outcomes({"a": 0.8}, held_out=2)
    rows = found.owner >= 2
    found = replace(found, owner=found.owner[rows], labels=found.labels[rows], predicted=found.predicted[:, :, rows])
    assert set(example_units(found, "accuracy").client) == {2, 3}


def test_folds_have_the_seeds_that_all_their_arms_ran():
    found = outcomes({"a": 0.8, "b": 0.8}, seeds=5)
    found.predicted[0, 3:] = -1
    side = pick(["a", "b"], entrants({"a": "federate", "b": "both"}), example_units(found, "accuracy"))
    assert side is not None
    assert np.isfinite(side.values).all(axis=1).tolist() == [True] * 3 + [False] * 2
    assert np.isnan(side.values[3:]).all()
