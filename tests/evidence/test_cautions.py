from __future__ import annotations

import numpy as np
import pytest

from headstart.evidence.answer import Rule
from headstart.evidence.cautions import cautions
from headstart.evidence.find_answer import find_answer
from headstart.evidence.metrics import measure
from headstart.evidence.outcomes import Outcomes
from headstart.evidence.scores import Scores
from headstart.evidence.sides import client_units, example_units
from known_outcomes import RULE, entrants, outcomes

FAMILIES = {"alone": "fine-tune", "shared": "federate"}


def unequal() -> Outcomes:
    """One arm always says the common class; the other is right on half of each."""
    labels = np.tile(np.r_[np.zeros(80, dtype=int), np.ones(20, dtype=int)], 4)
    common = np.zeros((3, 400), dtype=int)
    even = np.where(np.arange(400) % 10 < 6, labels, 1 - labels) * np.ones((3, 1), dtype=int)
    clients, seen = tuple("abcd"), np.ones(4, dtype=bool)
    owner = np.repeat(np.arange(4), 100)
    return Outcomes(("alone", "shared"), (0, 1, 2), clients, seen, owner, labels, np.stack([common, even]))


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy"])
def test_two_metrics_that_disagree_are_both_said(metric):
    found = unequal()
    answer = find_answer(entrants(FAMILIES, {"alone": 1, "shared": 1}), example_units(found, metric), RULE)
    (said,) = cautions(answer, found, measure(metric))
    assert "points in accuracy" in said
    assert "points in balanced accuracy" in said


def test_two_metrics_that_agree_need_no_word():
    found = outcomes({"alone": 0.6, "shared": 0.8})
    answer = find_answer(entrants(FAMILIES, {"alone": 1, "shared": 1}), example_units(found, "accuracy"), RULE)
    assert cautions(answer, found, measure("accuracy")) == ()


@pytest.mark.parametrize(("seeds", "scope", "count"), [(3, "these", 1), (2, "these", 0), (3, "like these", 0)])
def test_runs_without_predictions_say_what_they_lack(seeds, scope, count):
    values = np.random.default_rng(0).random((2, seeds, 5))
    scores = Scores(tuple(FAMILIES), tuple(range(seeds)), tuple("abcde"), np.ones(5, dtype=bool), values)
    known = entrants(FAMILIES, {"alone": 1, "shared": 1})
    answer = find_answer(known, client_units(scores, "accuracy"), Rule(0.02, 0.95, scope))
    said = cautions(answer, None, measure("accuracy"))
    assert len(said) == count
    assert all("run the study into a new folder" in words for words in said)


def test_arms_that_learnt_nothing_are_named_first():
    found = outcomes({"alone": 0.6, "shared": 0.8})
    answer = find_answer(entrants(FAMILIES, {"alone": 1, "shared": 1}), example_units(found, "accuracy"), RULE)
    (said,) = cautions(answer, found, measure("accuracy"), ["alone", "shared"])
    assert said.startswith("No arm that is compared (alone, shared) is clearly better on validation data")
    (said,) = cautions(answer, found, measure("accuracy"), ["shared"])
    assert said.startswith("shared is not clearly better")
    assert cautions(answer, found, measure("accuracy"), ["alone"]) == ()


def test_an_arm_that_tests_better_than_the_one_that_stands_for_its_family_is_named():
    found = outcomes({"alone": 0.6, "shared": 0.7, "other": 0.9})
    known = entrants({**FAMILIES, "other": "federate"}, {"alone": 1, "shared": 2, "other": 1})
    answer = find_answer(known, example_units(found, "accuracy"), RULE)
    assert answer.families["federate"].representative == "shared"
    (said,) = cautions(answer, found, measure("accuracy"))
    assert said.startswith("shared stands for federate, as validation data say; on test examples other is")
