from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, log_loss

from headstart.core.errors import DataError, SettingError
from headstart.core.task import Task, classification
from headstart.evidence.metrics import check_metric, measure, run_metrics
from headstart.evidence.metrics import client_metrics as of_clients
from headstart.evidence.metrics import pooled_metrics as of_rows


def task_of(said: np.ndarray) -> Task:
    return classification(tuple(map(str, range(said.shape[1]))))


def client_metrics(truth: np.ndarray, said: np.ndarray, client_of: np.ndarray, clients: int) -> dict[str, np.ndarray]:
    return of_clients(truth, said, client_of, clients, task_of(said))


def pooled_metrics(truth: np.ndarray, said: np.ndarray) -> dict[str, float]:
    return of_rows(truth, said, task_of(said))


def predictions(seed: int, clients: int, classes: int, rows: int, dtype: type = np.float64):
    generator = np.random.default_rng(seed)
    labels = generator.integers(classes, size=rows)
    scores = generator.gamma(0.3, size=(rows, classes)) + 1e-6
    client_of = generator.integers(clients, size=rows)
    return labels, (scores / scores.sum(axis=1, keepdims=True)).astype(dtype), client_of


def sklearn_metrics(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    predicted = probabilities.argmax(axis=1)
    recalls = [float((predicted[labels == c] == c).mean()) for c in np.unique(labels)]
    return {
        "accuracy": accuracy_score(labels, predicted),
        "balanced_accuracy": float(np.mean(recalls)),
        "macro_f1": f1_score(labels, predicted, average="macro"),
        "log_loss": log_loss(labels, probabilities, labels=np.arange(probabilities.shape[1])),
    }


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(1, 5),
    st.integers(2, 6),
    st.integers(1, 60),
    st.sampled_from(["f4", "f8"]),
)
def test_every_client_agrees_with_scikit_learn(seed, clients, classes, rows, dtype):
    labels, probabilities, client_of = predictions(seed, clients, classes, rows, np.dtype(dtype).type)
    found = client_metrics(labels, probabilities, client_of, clients)
    assert found["num_examples"].tolist() == np.bincount(client_of, minlength=clients).tolist()
    nothing = {name: np.nan for name in found if name != "num_examples"}
    for client, mine in enumerate(client_of == np.arange(clients)[:, None]):
        expected = sklearn_metrics(labels[mine], probabilities[mine]) if mine.any() else nothing
        np.testing.assert_allclose(
            [found[name][client] for name in expected], list(expected.values()), rtol=1e-5, atol=1e-6
        )


def test_balanced_accuracy_agrees_with_scikit_learn_itself():
    from sklearn.metrics import balanced_accuracy_score

    labels, probabilities, _ = predictions(0, 1, 4, 200)
    expected = balanced_accuracy_score(labels, probabilities.argmax(axis=1))
    assert pooled_metrics(labels, probabilities)["balanced_accuracy"] == pytest.approx(expected, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_order_of_rows_does_not_matter(seed):
    labels, probabilities, client_of = predictions(seed, 3, 3, 40)
    order = np.random.default_rng(seed).permutation(40)
    found = client_metrics(labels, probabilities, client_of, 3)
    again = client_metrics(labels[order], probabilities[order], client_of[order], 3)
    np.testing.assert_allclose(list(found.values()), list(again.values()), atol=1e-12)


def test_calibration_error_by_hand():
    # Two rows in the bin (0.867, 0.933]: mean confidence 0.9, accuracy 0.5. One row at confidence 0.6, wrong.
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4]])
    found = pooled_metrics(np.array([0, 1, 1]), probabilities)
    assert found["calibration_error"] == pytest.approx((2 * 0.4 + 1 * 0.6) / 3)


def test_confidence_one_falls_into_the_last_bin():
    assert pooled_metrics(np.array([0]), np.array([[1.0, 0.0]]))["calibration_error"] == 0


def test_a_diverged_model_is_wrong_and_certain():
    found = pooled_metrics(np.array([0, 0]), np.array([[np.nan, np.nan], [1.0, 0.0]]))
    assert found["accuracy"] == found["balanced_accuracy"] == 0.5
    assert found["calibration_error"] == 0.5
    assert found["log_loss"] == pytest.approx(-np.log(np.finfo(np.float64).eps) / 2)


def test_a_certain_mistake_has_a_finite_loss():
    assert np.isfinite(pooled_metrics(np.array([1]), np.array([[1.0, 0.0]], dtype=np.float32))["log_loss"])


@pytest.mark.parametrize(
    ("labels", "probabilities", "client_of", "message"),
    [
        ([0, 2], np.full((2, 2), 0.5), [0, 0], r"labels must lie in 0 … 1 .* got 0 … 2"),
        ([0, -1], np.full((2, 2), 0.5), [0, 0], r"got -1 … 0"),
        ([0, 1], np.full((2, 2), 0.5), [0, 3], r"client_of must lie in 0 … 0 .* got 0 … 3"),
        ([0, 1, 1], np.full((2, 2), 0.5), [0, 0, 0], r"one row per example, got shapes \(3,\), \(2, 2\)"),
    ],
)
def test_bad_input_is_refused(labels, probabilities, client_of, message):
    with pytest.raises(DataError, match=message):
        client_metrics(np.array(labels), probabilities, np.array(client_of), 1)


def test_unknown_metric_names_the_nearest():
    with pytest.raises(SettingError, match=r"decision\.metric: unknown metric 'acuracy'; did you mean 'accuracy'"):
        check_metric("acuracy")
    check_metric("balanced_accuracy")


def test_run_metrics_keeps_seen_and_unseen_apart():
    labels, probabilities, client_of = predictions(3, 12, 3, 400)
    clients = client_metrics(labels, probabilities, client_of, 12)
    seen = np.arange(12) < 9
    rows = seen[client_of]
    found = run_metrics(clients, pooled_metrics(labels[rows], probabilities[rows]), seen, measure("accuracy"))
    assert found["client_accuracy"] == pytest.approx(clients["accuracy"][:9].mean())
    assert found["unseen_client_accuracy"] == pytest.approx(clients["accuracy"][9:].mean())
    assert found["worst_client"] == clients["accuracy"][:9].min()
    assert found["worst_decile"] == pytest.approx(np.quantile(clients["accuracy"][:9], 0.1))
    assert found["pooled_accuracy"] != found["client_accuracy"]


def test_run_metrics_worst_is_the_greatest_loss_and_none_without_held_out_clients():
    labels, probabilities, client_of = predictions(4, 12, 3, 400)
    clients = client_metrics(labels, probabilities, client_of, 12)
    found = run_metrics(clients, pooled_metrics(labels, probabilities), np.ones(12, dtype=bool), measure("log_loss"))
    assert found["worst_client"] == clients["log_loss"].max()
    assert found["unseen_client_accuracy"] is None
