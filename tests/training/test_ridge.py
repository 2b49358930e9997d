"""Penalties chosen from sums, and from examples left out."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.training.ridge import generalized_cross_validation, relative_penalties, ridge_correction


def problem(examples: int, columns: int, classes: int, seed: int, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, examples)
    features = scale * (rng.normal(size=(classes, columns))[labels] + rng.normal(size=(examples, columns)))
    return np.c_[features, np.ones(examples)], np.eye(classes)[labels]


def gcv_by_examples(design: np.ndarray, targets: np.ndarray, penalty: float) -> float:
    gram = design.T @ design + penalty * np.eye(design.shape[1])
    smoother = design @ np.linalg.solve(gram, design.T)
    left = ((targets - smoother @ targets) ** 2).sum() / len(design)
    used = np.trace(smoother) / len(design)
    return float(left / (1 - used) ** 2) if used <= 0.7 else np.inf


@settings(max_examples=25, deadline=None)
@given(
    examples=st.integers(6, 40),
    columns=st.integers(1, 8),
    classes=st.integers(2, 4),
    scale=st.sampled_from([0.01, 1.0, 1000.0]),
    seed=st.integers(0, 10**6),
)
def test_gcv_from_sums_is_gcv_from_examples(examples: int, columns: int, classes: int, scale: float, seed: int) -> None:
    design, targets = problem(examples, columns, classes, seed, scale)
    gram = torch.from_numpy(design.T @ design)
    chosen = generalized_cross_validation(gram, torch.from_numpy(design.T @ targets))
    candidates = relative_penalties(gram.trace(), len(gram)).tolist()
    errors = {penalty: gcv_by_examples(design, targets, penalty) for penalty in candidates}
    assert chosen in errors
    assert errors[chosen] <= min(errors.values()) * (1 + 1e-4)


@pytest.mark.parametrize(("examples", "seed"), [(40, 8), (50, 3), (60, 0), (62, 5), (66, 10), (90, 0)])
def test_as_many_examples_as_features_leave_a_head_that_predicts(examples: int, seed: int) -> None:
    """Of these, generalised cross-validation alone leaves errors of 1.6, 2.2, 11, 102 and 14, but for the last."""
    draw = np.random.default_rng(seed)
    features = draw.normal(size=(examples + 500, 60))
    noise = 2 * np.random.default_rng(seed + 1000).normal(size=len(features))
    design, targets = (
        np.c_[features, np.ones(len(features))],
        np.eye(2)[(noise + features[:, :3].sum(1) > 0).astype(int)],
    )
    own, known = design[:examples], targets[:examples]
    gram, moment = own.T @ own, own.T @ known
    penalty = generalized_cross_validation(torch.from_numpy(gram), torch.from_numpy(moment))
    head = np.linalg.solve(gram + penalty * np.eye(61), moment)
    assert ((targets[examples:] - design[examples:] @ head) ** 2).sum(-1).mean() < 0.9
    assert np.isfinite(gcv_by_examples(own, known, penalty))


def test_fewer_examples_than_any_candidate_is_for_take_the_largest() -> None:
    design = torch.randn(1, 400, dtype=torch.float64, generator=torch.manual_seed(0))
    gram = design.mT @ design
    gram[-1, -1] = 1.0
    assert generalized_cross_validation(gram, gram[:, :2]) == float(relative_penalties(gram.trace(), 400)[-1])


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_candidates_follow_the_scale_of_the_features(scale: float) -> None:
    square = torch.tensor(50.0, dtype=torch.float64)
    torch.testing.assert_close(relative_penalties(scale**2 * square, 5), scale**2 * relative_penalties(square, 5))


def test_features_of_noise_get_a_large_penalty_and_those_that_tell_all_a_small_one() -> None:
    rng = np.random.default_rng(0)
    targets = np.eye(3)[np.arange(60) % 3]
    noise = np.c_[rng.normal(size=(60, 20)), np.ones(60)]
    telling = np.c_[targets[:, :2], np.ones(60)]
    high, low = (
        generalized_cross_validation(torch.from_numpy(z.T @ z), torch.from_numpy(z.T @ targets)) / len(z)
        for z in (noise, telling)
    )
    assert high > 0.1 > 1e-3 > low


def test_nobody_has_an_example() -> None:
    nothing = torch.zeros(4, 4, dtype=torch.float64)
    assert 0 < generalized_cross_validation(nothing, torch.zeros(4, 2, dtype=torch.float64)) < 1e-200


def test_a_tie_goes_to_the_larger_penalty() -> None:
    """One example tells nothing of the penalty: without it every head is the same."""
    design, targets = (torch.from_numpy(one[:1]) for one in problem(5, 3, 2, 0))
    candidates = torch.tensor([1.0, 10.0, 100.0], dtype=torch.float64)
    found = ridge_correction(design, targets, candidates)
    torch.testing.assert_close(found, ridge_correction(design, targets, candidates[2:]))


def test_each_client_of_a_stack_has_candidates_of_its_own() -> None:
    pairs = [[torch.from_numpy(one) for one in problem(12, 4, 3, seed, 10.0**seed)] for seed in (0, 1)]
    candidates = [relative_penalties(design.square().sum(), design.shape[1]) for design, _ in pairs]
    together = ridge_correction(
        torch.stack([design for design, _ in pairs]),
        torch.stack([targets for _, targets in pairs]),
        torch.stack(candidates, dim=1),
    )
    for found, (design, targets), own in zip(together, pairs, candidates, strict=True):
        torch.testing.assert_close(found, ridge_correction(design, targets, own))
