from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm

from headstart.diagnosis.shift import frechet_distances, measure_shift, project


def clients(num_clients: int = 6, size: int = 200, dimensions: int = 8, seed: int = 0):
    generator = np.random.default_rng(seed)
    labels = generator.integers(3, size=num_clients * size)
    features = 3 * np.eye(3, dimensions)[labels] + generator.standard_normal((len(labels), dimensions))
    return features, labels, np.repeat(np.arange(num_clients), size)


def test_distance_agrees_with_the_matrix_square_root():
    generator = np.random.default_rng(0)
    factors = generator.standard_normal((3, 5, 5))
    covariances, means = factors @ factors.transpose(0, 2, 1), generator.standard_normal((3, 5))
    found = frechet_distances(means[:2], covariances[:2], means[2], covariances[2])
    crosses = [np.real(sqrtm(covariances[client] @ covariances[2])) for client in range(2)]
    spreads = [np.trace(covariances[client] + covariances[2] - 2 * crosses[client]) for client in range(2)]
    np.testing.assert_allclose(found, ((means[:2] - means[2]) ** 2).sum(axis=1) + spreads, rtol=1e-6)


def test_random_clients_show_what_chance_shows():
    found = measure_shift(*clients())
    assert found.frechet == pytest.approx(found.expected, rel=0.3)
    assert found.class_conditional == pytest.approx(found.class_conditional_expected, rel=0.3)


def test_label_skew_moves_the_features_but_not_within_classes():
    features, labels, _ = clients()
    found = measure_shift(features, labels, labels)
    assert found.frechet > 20 * found.expected
    skewed = np.where(np.random.default_rng(1).random(len(labels)) < 0.8, labels, (labels + 1) % 3)
    found = measure_shift(features, labels, skewed)
    assert found.frechet > 10 * found.expected
    assert found.class_conditional < 2 * found.class_conditional_expected


def test_feature_shift_shows_within_classes():
    features, labels, client_of = clients()
    found = measure_shift(features + client_of[:, None], labels, client_of)
    assert found.class_conditional > 10 * found.class_conditional_expected


def test_unit_of_the_features_does_not_matter():
    features, labels, client_of = clients()
    assert measure_shift(1000 * features, labels, client_of) == pytest.approx(
        measure_shift(features, labels, client_of)
    )


def test_tiny_clients_and_constant_features_are_defined():
    features, labels, _ = clients(num_clients=1, size=12)
    alone = measure_shift(features, labels, np.arange(12))
    assert tuple(alone) == (0, 0, 0, 0)
    assert tuple(measure_shift(np.ones((12, 3)), labels, np.arange(12) // 6)) == (0, 0, 0, 0)


def test_projection_keeps_the_leading_directions():
    generator = np.random.default_rng(0)
    features = generator.standard_normal((300, 100)) * np.where(np.arange(100) < 64, 10, 0.01)
    projected = project(features)
    assert projected.shape == (300, 64)
    assert projected.var(axis=0).sum() == pytest.approx(features.var(axis=0).sum(), rel=1e-4)


def test_of_many_clients_a_random_part_is_compared():
    features, labels, client_of = clients(num_clients=40, size=30)
    shifted = features + client_of[:, None] / 10
    whole, part = (measure_shift(shifted, labels, client_of, max_clients=most) for most in (40, 20))
    assert part.frechet != whole.frechet
    assert part.frechet == pytest.approx(whole.frechet, rel=0.5)
