"""The projector, the predictor and the loss between views; steps against plain layers are in tests/federate."""

import pytest
import torch
from torch import Tensor

from headstart.core import trees
from headstart.testing.compare import assert_same
from headstart.training.siamese import is_siamese, new_siamese, siamese_loss

HEAD = {"head.weight": torch.arange(12.0).view(2, 6), "head.bias": torch.zeros(2)}
LAYERS = trees.map_tree(Tensor.double, new_siamese(HEAD, 8))


def features(key: int, batch: int = 5) -> Tensor:
    return torch.rand((batch, 6), generator=torch.Generator().manual_seed(key), dtype=torch.float64)


def test_names_are_told_apart() -> None:
    assert all(is_siamese(name) for name in LAYERS)
    assert not any(is_siamese(name) for name in ("head.weight", "blocks.0.projector.weight"))


def test_layers_are_keyed_by_the_head() -> None:
    assert_same("drawn twice", new_siamese(HEAD, 8), new_siamese(HEAD, 8))
    other = new_siamese({**HEAD, "head.bias": torch.ones(2)}, 8)
    assert not torch.equal(other["predictor.0.weight"].double(), LAYERS["predictor.0.weight"])
    assert LAYERS["predictor.3.bias"].any(), "a prediction of nothing has no direction"


def test_the_loss_lies_between_its_bounds_whichever_view_is_first() -> None:
    first, second, weights = features(0), features(1), torch.ones(5, dtype=torch.float64)
    loss = siamese_loss(LAYERS, (first, second), weights)
    assert -1 <= float(loss) <= 1
    assert float(loss) == pytest.approx(float(siamese_loss(LAYERS, (second, first), weights)))


def test_a_stack_is_its_clients_and_padding_is_nothing() -> None:
    views = [(features(0), features(1)), (features(2, 3), features(3, 3))]
    alone = [siamese_loss(LAYERS, pair, torch.ones(len(pair[0]), dtype=torch.float64)) for pair in views]
    padded = [torch.cat([view, 99 + torch.zeros(2, 6, dtype=torch.float64)]) for view in views[1]]
    stacked = tuple(torch.stack([views[0][i], padded[i]]) for i in range(2))
    weights = torch.tensor([[1.0] * 5, [1.0, 1.0, 1.0, 0.0, 0.0]], dtype=torch.float64)
    together = siamese_loss(trees.broadcast(LAYERS, 2), (stacked[0], stacked[1]), weights)
    assert torch.allclose(together, torch.stack(alone), rtol=0, atol=1e-12)


def test_no_gradient_flows_through_what_is_predicted() -> None:
    """With the predictor's output held fixed, moving the projector alone would have nothing to follow."""
    fixed = {name: value.clone() for name, value in LAYERS.items()}
    fixed["predictor.3.weight"].zero_()
    moving = fixed["projector.3.weight"].requires_grad_()
    siamese_loss(fixed, (features(0), features(1)), torch.ones(5, dtype=torch.float64)).backward()
    assert moving.grad is not None
    assert not moving.grad.any()


def test_clients_without_an_example_have_a_finite_loss() -> None:
    assert siamese_loss(LAYERS, (features(0), features(1)), torch.zeros(5, dtype=torch.float64)).isfinite()
