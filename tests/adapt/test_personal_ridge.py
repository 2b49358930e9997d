"""Personal ridge: a penalised pull towards the head received, and its leave-one-out choice."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.adapt import METHODS, PersonalRidge
from headstart.adapt.personal_ridge import PENALTIES, on_scale
from headstart.core.errors import SettingError
from headstart.core.trees import Params
from headstart.testing import World, open_world
from headstart.testing.adapt import adapted
from headstart.training.ridge import ridge_correction

Design = tuple[np.ndarray, np.ndarray]
CANDIDATES = torch.tensor(PENALTIES, dtype=torch.float64)


@pytest.fixture(scope="module")
def world() -> World:
    """Clients receive a head on the scale of one-hot labels: it says nothing but equal shares."""
    fresh = open_world("head", dtype=torch.float64)
    params = {"head.weight": 1e-3 * fresh.params["head.weight"], "head.bias": torch.full((3,), 1 / 3).double()}
    return replace(fresh, params=params)


def problem(world: World, position: int) -> Design:
    """A client's design matrix and what the received head leaves unexplained."""
    rows = world.federation.clients[position].train
    features = world.activations.at(world.model)[torch.from_numpy(rows)].numpy()
    design = np.c_[features, np.ones(len(rows))]
    return design, np.eye(3)[world.federation.examples.labels[rows]] - design @ coefficients(world.params)


def coefficients(params: Params) -> np.ndarray:
    return np.c_[params["head.weight"].numpy(), params["head.bias"].numpy()].T


@pytest.mark.parametrize("penalty", [1e-3, 1.0, 100.0])
@pytest.mark.parametrize("position", [0, 3, 4])
def test_it_equals_a_direct_solution(world: World, position: int, penalty: float) -> None:
    """``argmin ||Z W - Y||² + penalty ||W - W_received||²`` is a Ridge on the residual, plus W_received."""
    from sklearn.linear_model import Ridge

    design, residual = problem(world, position)
    client = world.federation.clients[position].id
    found = coefficients(adapted(PersonalRidge(penalty=penalty), world)[client])
    step = Ridge(alpha=penalty, fit_intercept=False, solver="svd").fit(design, residual).coef_.T
    np.testing.assert_allclose(found, coefficients(world.params) + step, atol=1e-8)
    gram = design.T @ design + penalty * np.eye(design.shape[1])
    target = np.eye(3)[world.federation.examples.labels[world.federation.clients[position].train]]
    right = design.T @ target + penalty * coefficients(world.params)
    np.testing.assert_allclose(found, np.linalg.solve(gram, right), atol=1e-8)


def test_a_large_penalty_is_the_head_received_and_a_small_one_is_a_local_head(world: World) -> None:
    stays = coefficients(adapted(PersonalRidge(penalty=1e12), world)["c3"])
    np.testing.assert_allclose(stays, coefficients(world.params), atol=1e-8)
    design, residual = problem(world, 3)
    local = coefficients(world.params) + np.linalg.lstsq(design, residual, rcond=None)[0]
    np.testing.assert_allclose(coefficients(adapted(PersonalRidge(penalty=1e-9), world)["c3"]), local, atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(
    examples=st.integers(2, 12),
    columns=st.integers(1, 6),
    classes=st.integers(2, 3),
    noise=st.sampled_from([0.05, 1.0, 20.0]),
    seed=st.integers(0, 10**6),
)
def test_leave_one_out_equals_refits(examples: int, columns: int, classes: int, noise: float, seed: int) -> None:
    """The penalty chosen has the least error over as many refits as there are examples."""
    rng = np.random.default_rng(seed)
    design = np.c_[rng.normal(size=(examples, columns)), np.ones(examples)]
    residual = design @ rng.normal(size=(columns + 1, classes)) + noise * rng.normal(size=(examples, classes))
    rows, targets = torch.from_numpy(design), torch.from_numpy(residual)
    found = ridge_correction(rows, targets, CANDIDATES)
    errors = [refit_error(design, residual, penalty) for penalty in PENALTIES]
    alike = [i for i, error in enumerate(errors) if error <= min(errors) * (1 + 1e-6)]
    heads = [ridge_correction(rows, targets, CANDIDATES[i : i + 1]) for i in alike]
    assert any(torch.allclose(found, head) for head in heads)


def refit_error(design: np.ndarray, residual: np.ndarray, penalty: float) -> float:
    """Leave each example out in turn, solve, and add up the squared errors on it."""
    total = 0.0
    for out in range(len(design)):
        kept = np.delete(np.arange(len(design)), out)
        gram = design[kept].T @ design[kept] + penalty * np.eye(design.shape[1])
        head = np.linalg.solve(gram, design[kept].T @ residual[kept])
        total += float(((residual[out] - design[out] @ head) ** 2).sum())
    return total


def test_a_penalty_is_positive() -> None:
    assert METHODS["personal_ridge"].build({"penalty": 1}).penalty == 1
    for penalty in (0, -1.0):
        with pytest.raises(SettingError, match=f"penalty: .*greater than 0, received {penalty}"):
            METHODS["personal_ridge"].build({"penalty": penalty})


@pytest.mark.parametrize("candidates", [CANDIDATES, CANDIDATES[:1]], ids=["chosen", "given"])
def test_a_head_that_explains_everything_is_kept(candidates: torch.Tensor) -> None:
    """Nothing is left to correct, whatever the penalty."""
    design = torch.randn(7, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert not ridge_correction(design, torch.zeros(7, 3, dtype=torch.float64), candidates).any()


def test_padding_of_a_stack_counts_for_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    design, residual = (torch.randn(5, n, dtype=torch.float64, generator=generator) for n in (3, 2))
    padded = [torch.cat([t, torch.zeros(4, t.shape[1], dtype=torch.float64)]) for t in (design, residual)]
    alone = ridge_correction(design, residual, CANDIDATES)
    stack = ridge_correction(*(torch.stack([t, t]) for t in padded), CANDIDATES)
    torch.testing.assert_close(stack[0], alone)
    torch.testing.assert_close(stack[1], alone)


def scales(classes: int = 4) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Examples, their one-hot labels, and the ridge head that fits them."""
    generator = torch.Generator().manual_seed(1)
    labels = torch.arange(60) % classes
    centres = 2 * torch.randn(classes, 5, dtype=torch.float64, generator=generator)
    features = centres[labels] + torch.randn(60, 5, dtype=torch.float64, generator=generator)
    design = torch.cat([features, torch.ones(60, 1, dtype=torch.float64)], dim=1)
    targets = torch.eye(classes, dtype=torch.float64)[labels]
    return design, targets, ridge_correction(design, targets, torch.ones(1, dtype=torch.float64))


def test_a_head_on_the_scale_of_labels_is_left_as_it_is() -> None:
    design, targets, ridge = scales()
    assert torch.equal(on_scale(ridge, design, targets), ridge)


@pytest.mark.parametrize(("factor", "shift"), [(8.0, 0.0), (8.0, 3.0), (0.05, 0.0)])
def test_scores_of_softmax_are_brought_to_the_scale_of_labels(factor: float, shift: float) -> None:
    """A factor and a shift that all classes share say nothing about classes."""
    design, targets, ridge = scales()
    other = factor * ridge + shift
    found = on_scale(other, design, targets)
    assert (targets - design @ found).square().sum() < 1.1 * (targets - design @ ridge).square().sum()
    assert torch.equal((design @ found).argmax(1), (design @ other).argmax(1))


@pytest.mark.parametrize("received", [-5.0, 0.0])
def test_a_head_that_tells_nothing_of_the_labels_becomes_equal_shares(received: float) -> None:
    design, targets, ridge = scales()
    found = on_scale(received * ridge, design, targets)
    torch.testing.assert_close(design @ found, torch.full_like(targets, 1 / 4))


def test_from_a_softmax_head_it_is_as_good_as_from_none(world: World) -> None:
    """A client is not stuck with a head whose scores are far from 0 and 1."""
    far = replace(world, params={name: 40 * value + 9 for name, value in open_world("head").params.items()})
    far = replace(far, params={name: value.double() for name, value in far.params.items()})
    design, _ = problem(world, 3)
    labels = world.federation.examples.labels[world.federation.clients[3].train]
    found = coefficients(adapted(PersonalRidge(), far)["c3"])
    assert ((design @ found).argmax(1) == labels).mean() > 0.9
