"""What clients count adds up to what all examples together would give."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.core.task import classification
from headstart.evidence.measured import measure
from headstart.evidence.metrics import pooled_metrics
from headstart.evidence.tally import ClientTally, Tally


def test_clients_apart_and_together_give_the_same_numbers() -> None:
    draw = np.random.default_rng(0)
    labels, said = draw.integers(0, 3, 60), draw.dirichlet(np.ones(3), 60)
    said[7] = np.nan
    none = (labels[:0], said[:0])
    apart = [ClientTally.of((labels[some], said[some]), none, None) for some in np.split(np.arange(60), [10, 35])]
    found, right = measure(apart).train, pooled_metrics(labels, said, classification(("a", "b", "c")))
    assert found is not None
    names = {"accuracy": "accuracy", "balanced_accuracy": "balanced_accuracy", "loss": "log_loss"}
    assert {name: getattr(found, name) for name in names} == pytest.approx({n: right[m] for n, m in names.items()})
    assert (found.rows, found.finite) == (60, 59 / 60)


def test_no_examples_count_nothing() -> None:
    assert Tally.of(np.zeros(0, np.int64), np.zeros((0, 2))) == Tally((0, 0), (0, 0), 0, 0.0)
