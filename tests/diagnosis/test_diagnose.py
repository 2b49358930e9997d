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
    assert found.prediction.family in {"federate", "both"}
    assert min(gain.probability for gain in found.prediction.gains.values()) > 0.95


def test_real_digits_in_narrow_clients_need_no_sharing():
    found = diagnose(*digits(10, 0.1, 1797), 10, metric="accuracy")
    assert found.label_skew["total_variation"] > 0.5
    assert found.missing_classes
    assert found.feature_shift.class_conditional < 1.5 * found.feature_shift.class_conditional_expected
    assert found.prediction.family != "federate"
    assert found.prediction.gains["federate"].probability < 0.5
    assert any("Labels are skewed" in reason for reason in found.prediction.reasons)


def test_order_of_clients_changes_nothing_but_chance():
    train, val = digits(5, 0.3)
    found, turned = diagnose(train, val, 10), diagnose(train[::-1], val[::-1], 10)
    assert turned.ceiling.gap == pytest.approx(found.ceiling.gap)
    assert turned.feature_shift.frechet == pytest.approx(found.feature_shift.frechet)
    assert turned.backbone == pytest.approx(found.backbone)
    assert turned.prediction.family == found.prediction.family


def test_same_input_same_diagnosis():
    train, val = digits(5, 0.3)
    assert diagnose(train, val, 10).as_json() == diagnose(train, val, 10).as_json()


def test_json_has_the_names_that_a_report_reads_and_no_nan():
    train, val = digits(3, 0.3)
    empty = [(features[:0], labels[:0]) for features, labels in val]
    found = diagnose(train, empty, 10, clients=["a", "b", "c"]).as_json()
    json.dumps(found, allow_nan=False)
    assert found["prediction"]["signals"]["both"]["v"] is None
    assert set(found["missing_classes"]) <= {"a", "b", "c"}
    assert {"total_variation", "jensen_shannon"} <= set(found["label_skew"])
    assert set(found["quantity_skew"]) == {"min", "median", "max", "gini"}
    assert {"frechet", "class_conditional"} <= set(found["feature_shift"])
    assert {"knn_accuracy", "ridge_accuracy", "logme"} <= set(found["backbone"])
    assert {"pooled", "local", "gap", "noise"} <= set(found["ceiling"])
    assert set(found["prediction"]) == {
        "family",
        "gains",
        "signals",
        "metric",
        "min_effect",
        "reasons",
    }


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


def test_more_features_than_examples_say_what_a_rotation_of_them_says():
    train, val = digits(4, None, 100)
    wide = np.random.default_rng(0).standard_normal((64, 300)) / 300**0.5
    turn = np.linalg.qr(wide.T)[0].T

    def turned(parts):
        return [(features @ turn, labels) for features, labels in parts]

    few, many = (diagnose(*both, 10) for both in ((train, val), (turned(train), turned(val))))
    for sharing, own in few.prediction.signals.items():
        # The penalties tried are multiples of the mean square of a feature, of which one has more than the other.
        assert vars(many.prediction.signals[sharing]) == pytest.approx(vars(own), abs=0.01)


@pytest.mark.parametrize(
    ("metric", "named"),
    [("accuracy", "accuracy"), ("log_loss", "accuracy"), ("macro_f1", "balanced_accuracy")],
)
def test_gains_are_foretold_in_the_nearest_accuracy(metric, named):
    assert diagnose(*digits(4, 0.3, 100), 10, metric=metric).prediction.metric == named
