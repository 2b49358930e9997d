"""Every head of one round can be where any averaging method begins; scores on the scale of softmax are better ones."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from headstart.core.errors import SettingError
from headstart.core.trees import Params
from headstart.engine.rounds import run_rounds
from headstart.federate import METHODS, Ridge
from headstart.testing import World, open_world
from headstart.training.ridge import softmax_scale

HEADS = [name for name, entry in METHODS.items() if hasattr(entry.factory, "feature_sums")]
NEED_NORMS = {"fedbn"}
"""What a network of plain layers has nothing for."""
AVERAGING = [
    name for name, entry in METHODS.items()
    if entry.build({}).reduce == "mean" and not entry.build({}).pooled and name not in NEED_NORMS
]  # fmt: skip


def run(name: str, world: World, params: Params, model: Any = None, **settings: Any) -> Params:
    method = METHODS[name].build(settings)
    clients = world.federation.seen_clients
    return run_rounds(
        method, model or world.model, params, clients, world.activations, engine=world.engine, seed=0
    ).shared


def test_all_heads_are_here() -> None:
    assert {"ridge", "lda", "ncm", "fedcof", "fedpft"} <= set(HEADS)


@pytest.mark.parametrize("then", AVERAGING)
@pytest.mark.parametrize("head", HEADS)
def test_a_head_can_be_followed(head: str, then: str) -> None:
    world = open_world("head", backbone="mlp")
    # Of a few examples a discriminant is so sure of itself that nothing is left to learn.
    solved = run(head, world, world.params, **({"temperature": 1000.0} if head == "lda" else {}))
    method = METHODS[then].build({})
    model, params = world.model.recut(solved, method.trainable)
    assert torch.equal(params["head.weight"], solved["head.weight"])
    begun, known = method.init(model, params).shared, METHODS[then].settings()
    settings = {name: value for name, value in {"rounds": 2, "batch_size": 4}.items() if name in known}
    found = run(then, world, params, model, **settings)
    assert all(value.isfinite().all() for value in found.values())
    assert any(not torch.equal(found[name], begun[name]) for name in found)


def table(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows ``[features, 1]`` and labels, of which a class is missing."""
    rng = np.random.default_rng(seed)
    labels = np.arange(90) % 3
    features = rng.normal(size=(3, 8))[labels] + rng.normal(size=(90, 8))
    return torch.from_numpy(np.c_[features, np.ones(90)]), torch.from_numpy(labels)


def solved(design: torch.Tensor, targets: torch.Tensor, penalty: float) -> torch.Tensor:
    return torch.linalg.solve(design.T @ design + penalty * torch.eye(design.shape[1]).double(), design.T @ targets)


def test_the_factor_is_that_of_scores_left_out_by_hand() -> None:
    design, labels = table()
    targets = functional.one_hot(labels, 4).double()
    head = solved(design, targets, 2.0)
    leverage = torch.linalg.solve(design.T @ design + 2.0 * torch.eye(9).double(), design.T @ design).trace() / 90
    left_out = ((design @ head - leverage * targets) / (1 - leverage))[:, :3]
    apart = varies = 0.0
    for c in range(3):
        for j in range(3):
            gap = left_out[:, c] - left_out[:, j]
            apart += float(gap[labels == c].mean() - gap[labels == j].mean())
            varies += sum(float((gap[labels == k] - gap[labels == k].mean()).square().sum()) for k in range(3)) / 90
    found = softmax_scale(design.T @ design, design.T @ targets, head, 2.0)
    assert found == pytest.approx(apart / varies, rel=1e-9)


def test_a_discriminants_scores_are_on_that_scale() -> None:
    """Of many examples and two classes least squares points where the discriminant does, and the factor is its."""
    rng = np.random.default_rng(0)
    labels = np.arange(40_000) % 2
    features = rng.normal(size=(2, 4))[labels] + rng.normal(size=(40_000, 4)) @ rng.normal(size=(4, 4))
    design, targets = torch.from_numpy(np.c_[features, np.ones(len(labels))]), torch.eye(2).double()[labels]
    head = solved(design, targets, 1e-6)
    head = head * softmax_scale(design.T @ design, design.T @ targets, head, 1e-6)
    means = [features[labels == c].mean(0) for c in (0, 1)]
    within = sum(np.cov(features[labels == c], rowvar=False) for c in (0, 1)) / 2
    expected = np.linalg.solve(within, means[1] - means[0])
    np.testing.assert_allclose(head[:-1, 1] - head[:-1, 0], expected, rtol=5e-3)


def test_ridge_on_that_scale_tells_probabilities_and_the_same_classes() -> None:
    world = open_world("head", dtype=torch.float64)
    plain, scaled = (run("ridge", world, world.params, softmax=flag) for flag in (False, True))
    read = plain["head.weight"] != 0
    factor = scaled["head.weight"][read] / plain["head.weight"][read]
    assert float(factor.min()) > 1
    torch.testing.assert_close(factor, torch.full_like(factor, float(factor.mean())))
    torch.testing.assert_close(scaled["head.bias"], plain["head.bias"] * factor.mean())
    rows = np.concatenate([client.test for client in world.federation.clients])
    inputs, labels = world.activations.at(world.model)[rows], torch.from_numpy(world.federation.examples.labels[rows])
    losses = [float(functional.cross_entropy(world.model.logits(head, inputs), labels)) for head in (plain, scaled)]
    assert losses[1] < losses[0]


@pytest.mark.parametrize("name", ["ncm", "lda", "fedcof"])
def test_a_temperature_divides_the_scores(name: str) -> None:
    world = open_world("head")
    plain, cold = (run(name, world, world.params, temperature=t) for t in (1.0, 0.25))
    torch.testing.assert_close(cold["head.weight"], 4 * plain["head.weight"])
    for wrong in (0, -1):
        with pytest.raises(SettingError, match="temperature"):
            METHODS[name].build({"temperature": wrong})


def test_softmax_is_for_classes() -> None:
    world = open_world("head", task="regression")
    with pytest.raises(SettingError, match="softmax: is for tasks of classes"):
        Ridge(softmax=True).init(world.model, world.params)
