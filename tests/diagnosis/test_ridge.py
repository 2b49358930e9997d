from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge as SklearnRidge

from headstart.diagnosis import ridge
from headstart.diagnosis.ridge import fit_ridge, scale, scale_of


def data(seed: int, rows: int, dimensions: int, classes: int = 3):
    generator = np.random.default_rng(seed)
    labels = generator.integers(classes, size=rows)
    features = np.eye(classes, dimensions)[labels] + generator.standard_normal((rows, dimensions))
    return scale(features, *scale_of(features)), labels


def solve(rows: np.ndarray, targets: np.ndarray, penalty: float, start: np.ndarray) -> np.ndarray:
    gram = rows.T @ rows + penalty * np.eye(rows.shape[1])
    return np.linalg.solve(gram, rows.T @ targets + penalty * start)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([(40, 5), (10, 20)]), st.booleans())
def test_leave_one_out_equals_refits(seed, shape, prior):
    features, labels = data(seed, *shape)
    rows, targets = np.hstack([features, np.ones((len(features), 1))]), np.eye(3)[labels]
    start = np.random.default_rng(seed).standard_normal((rows.shape[1], 3)) if prior else np.zeros((rows.shape[1], 3))
    found = fit_ridge(features, labels, 3, towards=start if prior else None)
    errors, accuracies = [], []
    for penalty in ridge.PENALTIES:
        left_out = np.stack(
            [rows[i] @ solve(np.delete(rows, i, 0), np.delete(targets, i, 0), penalty, start) for i in range(len(rows))]
        )
        errors.append(((targets - left_out) ** 2).sum())
        accuracies.append((left_out.argmax(axis=1) == labels).mean())
    if np.isinf(found.penalty):
        np.testing.assert_array_equal(found.weights, start)
        assert ((targets - rows @ start) ** 2).sum() <= min(errors)
        return
    best = ridge.PENALTIES.index(found.penalty)
    assert errors[best] == pytest.approx(min(errors))
    assert found.accuracy == pytest.approx(accuracies[best])
    np.testing.assert_allclose(found.weights, solve(rows, targets, found.penalty, start), atol=1e-7)


def test_agrees_with_scikit_learn_on_the_same_design():
    features, labels = data(0, 200, 10)
    found = fit_ridge(features, labels, 3)
    rows = np.hstack([features, np.ones((200, 1))])
    reference = SklearnRidge(alpha=found.penalty, fit_intercept=False).fit(rows, np.eye(3)[labels])
    np.testing.assert_allclose(found.weights, reference.coef_.T, atol=1e-8)
    assert (found.predict(features) == reference.predict(rows).argmax(axis=1)).all()


def test_chunks_change_nothing():
    features, labels = data(0, 100, 6)
    assert fit_ridge(features, labels, 3, chunk=7).accuracy == fit_ridge(features, labels, 3).accuracy


def test_a_client_that_agrees_with_the_shared_head_keeps_it():
    features, labels = data(0, 3000, 6)
    shared = fit_ridge(features, labels, 3)
    own = fit_ridge(features[:8], labels[:8], 3, towards=shared.weights)
    assert own.penalty >= 1


def test_scale_makes_the_mean_squared_length_one():
    features, _ = data(0, 100, 6)
    assert (features**2).sum(axis=1).mean() == pytest.approx(1)
    assert scale_of(np.ones((5, 2)))[1] == 1
