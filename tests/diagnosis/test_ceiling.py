from __future__ import annotations

import numpy as np
import pytest

from headstart.diagnosis.ceiling import measure_ceiling


def federation(size: int, clients: int = 12, flip: bool = False, seed: int = 0):
    """Clients of one task; with ``flip`` every other client names the two classes the other way round."""
    generator = np.random.default_rng(seed)

    def part(client: int, rows: int):
        labels = generator.integers(2, size=rows)
        features = np.eye(2, 20)[labels] + 0.4 * generator.standard_normal((rows, 20))
        return features, (labels + client * flip) % 2

    return [part(c, size) for c in range(clients)], [part(c, 60) for c in range(clients)]


def test_small_clients_of_one_task_gain_from_pooling():
    ceiling, head = measure_ceiling(*federation(size=8), 2)
    assert ceiling.gap > 3 * ceiling.noise
    assert ceiling.gap == pytest.approx(ceiling.pooled - ceiling.local)
    assert ceiling.personal >= ceiling.local
    assert head.accuracy == pytest.approx(ceiling.pooled, abs=0.1)


def test_opposite_tasks_lose_by_pooling():
    ceiling, _ = measure_ceiling(*federation(size=100, flip=True), 2)
    assert ceiling.pooled < 0.65
    assert ceiling.gap < -3 * ceiling.noise
    assert ceiling.personalization > 3 * ceiling.personalization_noise
    assert ceiling.sharing <= ceiling.sharing_noise


def test_noise_is_the_standard_error_over_clients():
    train, val = federation(size=8)
    whole, _ = measure_ceiling(train, val, 2)
    assert 0 < whole.noise < 0.1
    alone, _ = measure_ceiling(train, [val[0], *[(f[:0], y[:0]) for f, y in val[1:]]], 2)
    assert np.isnan(alone.noise)
    assert np.isfinite(alone.gap)


def test_clients_without_training_or_validation_are_left_out():
    train, val = federation(size=8)
    empty = (np.zeros((0, 20)), np.zeros(0, dtype=int))
    expected, _ = measure_ceiling(train, val, 2)
    found, _ = measure_ceiling([*train, empty], [*val, val[0]], 2)
    assert found == expected
    nothing, head = measure_ceiling(train, [empty] * len(train), 2)
    assert np.isnan(nothing.gap)
    assert head.accuracy > 0.5
