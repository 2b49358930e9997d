from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.datasets import load_digits

from headstart.core.errors import DataError
from headstart.diagnosis import diagnose


def digits(clients: int, alpha: float | None, examples: int = 300):
    """Digits dealt at random, or by Dirichlet(alpha) shares of each class; a quarter is for validation."""
    features, labels = (part[:examples] for part in load_digits(return_X_y=True))
    generator = np.random.default_rng(0)
    even = np.full((10, clients), 1 / clients)
    shares = even if alpha is None else generator.dirichlet([alpha] * clients, size=10)
    client_of = np.array([generator.choice(clients, p=shares[label]) for label in labels])
    held = generator.random(len(labels)) < 0.25

    def parts(rows):
        return [(features[rows & (client_of == c)], labels[rows & (client_of == c)]) for c in range(clients)]

    return parts(~held), parts(held)


def test_real_digits_dealt_at_random_to_many_small_clients_should_share():
    found = diagnose(*digits(60, None, 1797), 10)
    assert found.backbone["knn_accuracy"] > 0.97
    assert found.backbone["ridge_accuracy"] > 0.9
    assert found.label_skew["total_variation"] == pytest.approx(found.label_skew["expected"], abs=0.03)
    assert found.ceiling.gap > 0.2
    assert found.prediction.winner == "ridge"


def test_real_digits_in_narrow_clients_need_no_sharing():
    found = diagnose(*digits(10, 0.1, 1797), 10)
    assert found.label_skew["total_variation"] > 0.5
    assert found.missing_classes
    assert found.feature_shift.class_conditional < 1.5 * found.feature_shift.class_conditional_expected
    assert found.prediction.winner in {"finetune-lp-ft", "finetune-head"}
    assert any("Labels are skewed" in reason for reason in found.prediction.reasons)


def test_order_of_clients_changes_nothing_but_chance():
    train, val = digits(5, 0.3)
    found, turned = diagnose(train, val, 10), diagnose(train[::-1], val[::-1], 10)
    assert turned.ceiling.gap == pytest.approx(found.ceiling.gap)
    assert turned.feature_shift.frechet == pytest.approx(found.feature_shift.frechet)
    assert turned.backbone == pytest.approx(found.backbone)
    assert turned.prediction.winner == found.prediction.winner


def test_same_input_same_diagnosis():
    train, val = digits(5, 0.3)
    assert diagnose(train, val, 10).as_json() == diagnose(train, val, 10).as_json()


def test_json_has_the_names_that_a_report_reads_and_no_nan():
    train, val = digits(3, 0.3)
    empty = [(features[:0], labels[:0]) for features, labels in val]
    found = diagnose(train, empty, 10, clients=["a", "b", "c"]).as_json()
    json.dumps(found, allow_nan=False)
    assert found["ceiling"]["gap"] is None
    assert set(found["missing_classes"]) <= {"a", "b", "c"}
    assert {"total_variation", "jensen_shannon"} <= set(found["label_skew"])
    assert set(found["quantity_skew"]) == {"min", "median", "max", "gini"}
    assert {"frechet", "class_conditional"} <= set(found["feature_shift"])
    assert {"knn_accuracy", "ridge_accuracy", "logme"} <= set(found["backbone"])
    assert {"pooled", "local", "gap", "noise"} <= set(found["ceiling"])
    assert set(found["prediction"]) == {"winner", "reasons", "rules"}


def test_a_client_without_examples_counts_as_empty():
    train, val = digits(3, None)
    empty = (train[0][0][:0], train[0][1][:0])
    found = diagnose([*train, empty], [*val, empty], 10)
    assert found.quantity_skew["min"] == 0
    assert found.missing_classes["3"] == list(range(10))
    assert np.isfinite(found.label_skew["total_variation"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda f, y: (np.where(np.arange(f.size).reshape(f.shape) == 5, np.nan, f), y),
            r"got NaN .* client 'x', train",
        ),
        (lambda f, y: (f, y + 9), r"labels must lie in 0 … 9, got .* for client 'x', train"),
        (lambda f, y: (f, y[:-1]), r"features must be \(n, d\) and labels \(n,\), got"),
        (lambda f, y: (f[:0], y[:0]), r"needs training examples, got none"),
    ],
)
def test_bad_input_is_refused(change, message):
    train, val = digits(1, None)
    with pytest.raises(DataError, match=message):
        diagnose([change(*train[0])], val, 10, clients=["x"])


def test_every_client_needs_its_parts():
    train, val = digits(2, None)
    with pytest.raises(DataError, match="one entry per client, got 2, 1 and 2"):
        diagnose(train, val[:1], 10)
