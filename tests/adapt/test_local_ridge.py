"""A ridge head of a client's own: scikit-learn's, at the penalty that leave-one-out chooses."""

import numpy as np
import pytest
import torch

from headstart.adapt import METHODS, LocalRidge
from headstart.core.errors import SettingError
from headstart.core.trees import scale
from headstart.testing import World, open_world
from headstart.testing.adapt import adapted
from headstart.training.ridge import relative_penalties


@pytest.fixture(scope="module")
def world() -> World:
    return open_world("head", dtype=torch.float64)


def design_of(world: World, position: int) -> tuple[np.ndarray, np.ndarray]:
    rows = world.federation.clients[position].train
    features = world.activations.at(world.model)[torch.from_numpy(rows)].numpy()
    return np.c_[features, np.ones(len(rows))], np.eye(3)[world.federation.examples.labels[rows]]


def solved(design: np.ndarray, targets: np.ndarray, penalty: float) -> np.ndarray:
    from sklearn.linear_model import Ridge

    found: np.ndarray = Ridge(alpha=penalty, fit_intercept=False, solver="svd").fit(design, targets).coef_
    return found


def head_of(method: LocalRidge, world: World, client: str) -> np.ndarray:
    params = adapted(method, world)[client]
    return np.c_[params["head.weight"].numpy(), params["head.bias"].numpy()]


@pytest.mark.parametrize("position", [0, 3, 4])
def test_a_penalty_given_is_taken(world: World, position: int) -> None:
    client = world.federation.clients[position].id
    expected = solved(*design_of(world, position), 2.0)
    np.testing.assert_allclose(head_of(LocalRidge(penalty=2.0), world, client), expected, atol=1e-8)


@pytest.mark.parametrize("position", [0, 3])
def test_the_penalty_has_the_least_error_over_refits(world: World, position: int) -> None:
    """More features than examples: no shortcut, each example is really left out."""
    design, targets = design_of(world, position)
    assert design.shape[1] > len(design)
    candidates = relative_penalties(torch.tensor((design**2).sum()), design.shape[1]).tolist()
    errors = []
    for penalty in candidates:
        kept = [np.delete(np.arange(len(design)), out) for out in range(len(design))]
        errors.append(
            sum(
                ((targets[out] - solved(design[rows], targets[rows], penalty) @ design[out]) ** 2).sum()
                for out, rows in enumerate(kept)
            )
        )
    best = solved(design, targets, candidates[int(np.argmin(errors))])
    found = head_of(LocalRidge(), world, world.federation.clients[position].id)
    np.testing.assert_allclose(found, best, rtol=1e-5, atol=1e-7)


def test_the_head_received_is_forgotten(world: World) -> None:
    other = World(world.federation, world.model, scale(world.params, -7.0), world.activations)
    np.testing.assert_array_equal(head_of(LocalRidge(), world, "c3"), head_of(LocalRidge(), other, "c3"))


def test_a_penalty_is_positive() -> None:
    with pytest.raises(SettingError, match=r"penalty: .*greater than 0, received -1\.0"):
        METHODS["local_ridge"].build({"penalty": -1.0})
