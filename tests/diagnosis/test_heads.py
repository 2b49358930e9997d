"""Heads that never saw an example, against as many heads solved from scratch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.diagnosis.heads import LeftOut, Part, Shared
from headstart.training.ridge import relative_penalties

CLASSES = 3


def federation(seed: int, sizes: tuple[int, ...], dimensions: int) -> list[Part]:
    draw = np.random.default_rng(seed)
    shared = draw.standard_normal((dimensions, CLASSES))
    parts = []
    for size in sizes:
        features = draw.standard_normal((size, dimensions)) + draw.standard_normal(dimensions)
        own = shared + draw.standard_normal((dimensions, CLASSES))
        parts.append((features, (features @ own + draw.standard_normal((size, CLASSES))).argmax(1)))
    return parts


def solve(design: np.ndarray, targets: np.ndarray, penalty: float, towards: np.ndarray | float = 0.0) -> np.ndarray:
    """Ridge towards a head, in the form that needs as many equations as there are rows where these are fewer."""
    size = design.shape[1]
    start = np.zeros((size, targets.shape[1])) + towards
    residual = targets - design @ start
    if len(design) < size:
        return start + design.T @ np.linalg.solve(design @ design.T + penalty * np.eye(len(design)), residual)
    return start + np.linalg.solve(design.T @ design + penalty * np.eye(size), design.T @ residual)


def brute_force(parts: list[Part], pool: Shared, candidates: list[float]) -> list[np.ndarray]:
    """Residuals of the first client's examples, each solved without it; of each client penalty, the best one's."""
    designs = [pool.design(features).numpy() for features, _ in parts]
    targets = [np.eye(CLASSES)[labels] for _, labels in parts]
    own, answers = designs[0], targets[0]
    local, personal, shared = [], [], []
    for i in range(len(own)):
        rest, said = np.delete(own, i, 0), np.delete(answers, i, 0)
        head = solve(np.vstack([rest, *designs[1:]]), np.vstack([said, *targets[1:]]), pool.penalty)
        shared.append(answers[i] - own[i] @ head)
        local.append([answers[i] - own[i] @ solve(rest, said, value) for value in candidates])
        near = [answers[i] - own[i] @ solve(rest, said, value, head) for value in candidates]
        personal.append([*near, shared[-1]])
    return [_best(np.array(local)), np.array(shared), _best(np.array(personal))]


def _best(residuals: np.ndarray) -> np.ndarray:
    return residuals[:, (residuals**2).sum((0, 2)).argmin()]


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([(6, 9, 4), (15, 12), (2, 20, 7), (10,)]), st.sampled_from([3, 12]))
def test_left_out_examples_are_predicted_by_heads_that_never_saw_them(
    seed: int, sizes: tuple[int, ...], dimensions: int
) -> None:
    parts = federation(seed, sizes, dimensions)
    pool = Shared.of(parts, CLASSES)
    own = pool.design(parts[0][0])
    candidates = relative_penalties(own.square().sum(), own.shape[1]).tolist()
    found = LeftOut.of(parts[0], parts[0], pool, CLASSES)
    for squared, expected in zip(found.squared, brute_force(parts, pool, candidates), strict=True):
        # Penalties that are as good as each other may leave different residuals.
        assert squared.sum() == pytest.approx((expected**2).sum(), rel=1e-5)
        np.testing.assert_allclose(squared, (expected**2).sum(1), rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("dimensions", [5, 60])
def test_at_a_penalty_of_one_the_three_heads_agree_to_rounding(
    dimensions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, one = "headstart.diagnosis.heads", torch.ones(1, dtype=torch.float64)
    monkeypatch.setattr(f"{module}.generalized_cross_validation", lambda gram, moment, decomposed: 1.0)
    monkeypatch.setattr(f"{module}.relative_penalties", lambda trace, size: one)
    parts = federation(1, (20, 30, 10), dimensions)
    pool = Shared.of(parts, CLASSES)
    found = LeftOut.of(parts[0], parts[0], pool, CLASSES)
    for squared, expected in zip(found.squared, brute_force(parts, pool, [1.0]), strict=True):
        np.testing.assert_allclose(squared, (expected**2).sum(1), rtol=0, atol=2e-14)


def test_validation_examples_are_predicted_by_the_heads_of_all_training_examples() -> None:
    (own, held), other = federation(2, (30, 20), 6), federation(3, (25,), 6)
    pool = Shared.of([own, *other], CLASSES)
    found = LeftOut.of(own, held, pool, CLASSES)
    joined = solve(
        np.vstack([pool.design(part[0]).numpy() for part in (own, *other)]),
        np.eye(CLASSES)[np.concatenate([part[1] for part in (own, *other)])],
        pool.penalty,
    )
    said = (pool.design(held[0]).numpy() @ joined).argmax(1)
    assert np.array_equal(found.val_right[1], said == held[1])
    assert found.val_right.shape == (3, 20)


def test_a_tie_counts_by_its_share() -> None:
    """One example alone: the client's own head has seen nothing, and guesses."""
    parts = federation(4, (1, 10), 4)
    found = LeftOut.of(parts[0], (parts[0][0][:0], parts[0][1][:0]), Shared.of(parts, 3), 3)
    assert found.right[0] == pytest.approx([1 / 3])
    assert found.val_right.shape == (3, 0)


def test_many_examples_are_thinned_out_evenly() -> None:
    parts = federation(5, (5000, 10), 4)
    found = LeftOut.of(parts[0], parts[1], Shared.of(parts, 3), 3)
    assert found.right.shape == (3, len(parts[0][1][::3]))
    assert np.array_equal(found.labels, parts[0][1][::3])
