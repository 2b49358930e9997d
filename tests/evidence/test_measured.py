"""What predictions on training and validation data are like."""

from __future__ import annotations

import json

import numpy as np
import pytest

from headstart.core.arrays import Array
from headstart.evidence.measured import Facts, measure, part_of
from headstart.evidence.tally import ClientTally

NONE = np.empty((0, 2))


def sure(*classes: int) -> Array:
    """Probabilities of one who is nearly sure of these classes."""
    return np.eye(2)[list(classes)] * 0.8 + 0.1


def labels(*classes: int) -> Array:
    return np.array(classes, dtype=np.int64)


def test_clients_of_two_classes_to_whom_one_is_said_are_counted() -> None:
    train = [labels(0, 1), labels(0, 0), labels(1, 0), labels()]
    val = [labels(1), labels(0), labels(), labels(0, 1)]
    after, checked = [sure(0, 0), sure(0, 0), sure(1, 0), NONE], [sure(0), sure(0), NONE, sure(1, 1)]
    each = zip(train, after, val, checked, strict=True)
    facts = measure([ClientTally.of((own, found), (other, said), None) for own, found, other, said in each])
    assert (facts.mixed, facts.constant, facts.mixed_rows) == (3, 2, 7)
    assert facts.train is not None
    assert (facts.train.rows, facts.train.accuracy) == (6, 5 / 6)
    assert (facts.began, facts.changed) == (None, 0.0)


def test_examples_of_which_the_start_says_no_numbers_do_not_count() -> None:
    nothing = np.full((1, 2), np.nan)
    after, began = (np.concatenate([said, nothing]) for said in (sure(0, 1), sure(1, 1)))
    facts = measure([ClientTally.of((labels(0, 1, 1), after), (labels(), NONE), began)])
    assert facts.train is not None
    assert facts.began is not None
    assert (facts.train.rows, facts.train.finite, facts.began.accuracy, facts.changed) == (2, 1.0, 0.5, 0.5)
    assert facts.val is None


def test_facts_come_back_from_json() -> None:
    facts = measure([ClientTally.of((labels(0, 1), sure(0, 1)), (labels(), NONE), sure(1, 1))])
    assert Facts.of_json(json.loads(json.dumps(facts.as_json()))) == facts


def test_without_examples_there_is_no_part() -> None:
    assert part_of(labels(), NONE) is None


@pytest.mark.parametrize(
    ("accuracy", "above"), [(50, False), (55, False), (65, True), (90, True)], ids=lambda value: str(value)
)
def test_an_accuracy_is_above_the_majority_by_more_than_chance(accuracy: int, above: bool) -> None:
    own = np.arange(100) % 2
    said = np.where(np.arange(100) < accuracy, own, 1 - own)
    found = part_of(own, sure(*said))
    assert found is not None
    assert found.is_above_majority == above
