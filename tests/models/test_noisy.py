"""Gradients that hide their examples, beside the paper's loop in plain PyTorch."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from headstart.core import trees
from headstart.core.errors import SettingError
from headstart.core.trees import Params
from headstart.models.batch import Batch, NoisyStep
from headstart.models.model import Model
from headstart.testing import open_world

CLIP = 0.3


def step(expected: float = 5.0, clip: float = CLIP, noise: Params | None = None) -> NoisyStep:
    return NoisyStep(clip, torch.tensor(expected), torch.tensor(True), lambda tree: noise or trees.zeros_like(tree))


def by_hand(model: Model, params: Params, inputs: Tensor, labels: Tensor, clip: float, expected: float) -> Params:
    """Abadi et al., Algorithm 1, one example after another, without the noise."""
    total = {name: torch.zeros_like(value) for name, value in params.items()}
    for x, y in zip(inputs, labels, strict=True):
        leaves = {name: value.clone().requires_grad_() for name, value in params.items()}
        loss = torch.nn.functional.cross_entropy(model.logits(leaves, x[None]), y[None])
        slopes = torch.autograd.grad(loss, list(leaves.values()))
        norm = torch.cat([slope.flatten() for slope in slopes]).norm()
        for name, slope in zip(leaves, slopes, strict=True):
            total[name] += slope / max(1.0, float(norm) / clip)
    return {name: value / expected for name, value in total.items()}


def some(cut: str | int, count: int = 7) -> tuple[Model, Params, Tensor, Tensor]:
    world = open_world(cut, dtype=torch.float64)  # type: ignore[arg-type]
    inputs = world.activations.few(world.model, count).double()
    return world.model, world.params, inputs, torch.arange(count) % 3


@pytest.mark.parametrize("cut", ["head", 1, "all"])
@pytest.mark.parametrize("clip", [CLIP, 100.0])
def test_it_is_the_papers(cut: str | int, clip: float) -> None:
    model, params, inputs, labels = some(cut)
    found = model.gradient(params, Batch(inputs, labels, torch.ones(7), full=True, noisy=step(clip=clip)))
    wanted = by_hand(model, params, inputs, labels, clip, 5.0)
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("cut", ["head", "all"])
def test_a_stack_is_each_client_alone_and_padding_is_nobody(cut: str) -> None:
    model, params, inputs, labels = some(cut)
    weights = torch.ones(2, 7)
    weights[1, 4:] = 0
    noisy = NoisyStep(CLIP, torch.tensor([5.0, 3.0]), torch.tensor([True, True]), trees.zeros_like)
    stacked = Batch(torch.stack([inputs, inputs]), torch.stack([labels, labels]), weights, noisy=noisy)
    found = model.gradient(trees.broadcast(params, 2), stacked)
    for at, (count, expected) in enumerate([(7, 5.0), (4, 3.0)]):
        wanted = by_hand(model, params, inputs[:count], labels[:count], CLIP, expected)
        for name, value in wanted.items():
            torch.testing.assert_close(found[name][at], value, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("cut", ["head", "all"])
def test_no_example_moves_it_by_more_than_the_clip(cut: str) -> None:
    model, params, inputs, labels = some(cut)
    parts = [
        model.gradient(params, Batch(inputs[:k], labels[:k], torch.ones(k), full=True, noisy=step(1.0))) for k in (6, 7)
    ]
    difference = torch.cat([(parts[1][name] - parts[0][name]).flatten() for name in params])
    assert 0 < float(difference.norm()) <= CLIP * (1 + 1e-9)


@pytest.mark.parametrize("cut", ["head", "all"])
def test_a_step_without_examples_is_its_noise(cut: str) -> None:
    model, params, inputs, labels = some(cut, 1)
    noise = {name: torch.full_like(value, 2.0) for name, value in params.items()}
    batch = Batch(inputs, labels, torch.zeros(1), full=True, noisy=step(4.0, noise=noise))
    assert bool(batch.active)
    for value in model.gradient(params, batch).values():
        torch.testing.assert_close(value, torch.full_like(value, 0.5))


def test_a_network_with_faster_layers_has_the_same() -> None:
    model, params, inputs, labels = some("all")
    tuned = model.tuned(inputs[:2], channels_last=True)
    batch = Batch(inputs, labels, torch.ones(7), full=True, noisy=step())
    wanted = model.gradient(params, batch)
    for name, value in tuned.gradient(tuned.arranged(params), batch).items():
        torch.testing.assert_close(value, wanted[name])


def test_examples_without_a_loss_of_their_own_are_refused() -> None:
    world = open_world("head", task="survival")
    inputs = world.activations.few(world.model, 2)
    truth = torch.tensor([[1.0, 1.0], [2.0, 0.0]]).double()
    with pytest.raises(SettingError, match="example_clip: needs a task in which every example has a loss of its own"):
        world.model.gradient(world.params, Batch(inputs, truth, torch.ones(2), full=True, noisy=step()))
