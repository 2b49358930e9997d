from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import multivariate_normal
from sklearn.neighbors import KNeighborsClassifier

from headstart.diagnosis.transfer import knn_accuracy, logme, logme_from_sums


def data(seed: int, rows: int, dimensions: int, classes: int = 3, noise: float = 1.0):
    generator = np.random.default_rng(seed)
    labels = generator.integers(classes, size=rows)
    return np.eye(classes, dimensions)[labels] + noise * generator.standard_normal((rows, dimensions)), labels


@pytest.mark.parametrize("chunk", [7, 1024])
def test_neighbours_agree_with_scikit_learn(chunk):
    # Two classes and an odd k leave no ties.
    features, labels = data(0, 60, 5, classes=2)
    hits = 0
    for i in range(60):
        reference = KNeighborsClassifier(7, metric="cosine").fit(np.delete(features, i, 0), np.delete(labels, i))
        hits += int(reference.predict(features[i : i + 1])[0] == labels[i])
    assert knn_accuracy(features, labels, neighbours=7, chunk=chunk) == pytest.approx(hits / 60)


def test_a_tied_vote_goes_to_the_closer_class():
    features = np.array([[1.0, 0.0], [1.0, 0.1], [1.0, 2.0], [2.0, 1.0], [0.0, 1.0]])
    # The first example sees class 0 at 0.1 and class 1 beside it: one vote each.
    assert knn_accuracy(features[:3], np.array([0, 0, 1]), neighbours=2) == pytest.approx(2 / 3)


def test_few_and_many_examples():
    features, labels = data(0, 50, 5, noise=0.01)
    assert np.isnan(knn_accuracy(features[:1], labels[:1]))
    assert knn_accuracy(features, labels, max_examples=30) == 1.0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([(60, 5), (12, 30)]), st.floats(0.01, 1000))
def test_logme_from_sums_over_clients_equals_logme_from_features(seed, shape, unit):
    features, labels = data(seed, *shape)
    targets = np.eye(3)[labels]
    parts = np.array_split(np.arange(len(labels)), 4)
    gram = sum(features[rows].T @ features[rows] for rows in parts)
    class_sums = sum(features[rows].T @ targets[rows] for rows in parts)
    expected = logme(features, labels, 3)
    assert logme_from_sums(gram, class_sums, targets.sum(axis=0)) == pytest.approx(expected, rel=1e-7)
    assert logme(unit * features, labels, 3) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("shape", [(40, 4), (12, 20)])
def test_logme_is_the_greatest_evidence_of_the_linear_model(shape):
    features, labels = data(3, *shape)
    evidences = []
    for target in np.eye(3)[labels].T:

        def negative(logs, target=target):
            alpha, beta = np.exp(logs)
            covariance = np.eye(len(target)) / beta + features @ features.T / alpha
            return -multivariate_normal(np.zeros(len(target)), covariance).logpdf(target)

        found = minimize(negative, (1.0, 1.0), method="Nelder-Mead", options={"xatol": 1e-2})
        evidences.append(-found.fun / len(target))
    assert logme(features, labels, 3) == pytest.approx(np.mean(evidences), abs=2e-3)


def test_better_features_have_more_evidence():
    assert logme(*data(0, 200, 5, noise=0.1), 3) > logme(*data(0, 200, 5, noise=1.0), 3)


def test_a_class_without_examples_does_not_count():
    features, labels = data(0, 50, 5)
    assert logme(features, labels, 3) == pytest.approx(logme(features, labels, 7))
    assert np.isnan(logme(features[:0], labels[:0], 3))
