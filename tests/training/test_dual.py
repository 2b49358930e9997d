"""Steps in dual form are the steps on the weights."""

import dataclasses
from collections.abc import Iterator

import pytest
import torch

from headstart.core import trees
from headstart.core.trees import Params
from headstart.models.batch import Batch
from headstart.models.heads import head_gradient
from headstart.training.client_data import DualPasses
from headstart.training.descent import descend
from headstart.training.dual import DualWalk, descend_dual
from headstart.training.optimizers import build_optimizer

CLIENTS, EXAMPLES, FEATURES, CLASSES, BATCH, STEPS = 3, 6, 5, 4, 2, 7


def draw(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture(scope="module")
def examples() -> Batch:
    labels = torch.randint(0, CLASSES, (CLIENTS, EXAMPLES), generator=torch.Generator().manual_seed(0))
    return Batch(draw(1, CLIENTS, EXAMPLES, FEATURES), labels, torch.ones(CLIENTS, EXAMPLES, dtype=torch.float64))


@pytest.fixture(scope="module")
def passes(examples: Batch) -> DualPasses:
    """The last client has no example in every other step, and half a batch in the rest."""
    positions = torch.randint(0, EXAMPLES, (CLIENTS, STEPS, BATCH), generator=torch.Generator().manual_seed(2))
    weights = draw(3, CLIENTS, STEPS, BATCH).abs() + 0.1
    weights[-1, ::2], weights[-1, :, 1] = 0, 0
    full = tuple((weights.sum(-1) > 0).all(0).tolist())
    return DualPasses(positions * (weights > 0), weights, full, examples.inputs @ examples.inputs.mT + 1)


@pytest.fixture(params=[False, True], ids=["own heads", "one head"])
def heads(request: pytest.FixtureRequest) -> Params:
    own = {"head.weight": draw(4, CLIENTS, CLASSES, FEATURES), "head.bias": draw(5, CLIENTS, CLASSES)}
    return trees.broadcast(trees.unstack(own, 0), CLIENTS) if request.param else own


def batches(examples: Batch, passes: DualPasses) -> list[Batch]:
    """The same minibatches as examples."""
    rows = torch.arange(CLIENTS).unsqueeze(-1)
    return [
        Batch(examples.inputs[rows, at], examples.labels[rows, at], weights)
        for at, weights in zip(passes.positions.unbind(1), passes.weights.unbind(1), strict=True)
    ]


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("decay", [0.0, 0.05])
def test_they_are_the_steps_on_the_weights(
    heads: Params, examples: Batch, passes: DualPasses, momentum: float, decay: float
) -> None:
    optimizer = build_optimizer("sgd", 0.1, momentum, decay)
    start = trees.clone(heads)
    expected, _ = descend(head_gradient, start, optimizer.init(start), batches(examples, passes), optimizer)
    (found,) = descend_dual([DualWalk(heads, examples, passes, 0.1, momentum, decay)])
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)


def test_arguments_are_left_alone(heads: Params, examples: Batch, passes: DualPasses) -> None:
    before = trees.clone(heads), examples.inputs.clone(), passes.gram.clone()
    descend_dual([DualWalk(heads, examples, passes, 0.1, 0.9, 0.05)])
    torch.testing.assert_close((heads, examples.inputs, passes.gram), before, atol=0, rtol=0)


def test_a_client_without_examples_keeps_its_head(heads: Params, examples: Batch, passes: DualPasses) -> None:
    weights = passes.weights.clone()
    weights[1] = 0
    idle = dataclasses.replace(passes, weights=weights, full=(False,) * STEPS)
    (found,) = descend_dual([DualWalk(heads, examples, idle, 0.1, 0.9, 0.05)])
    torch.testing.assert_close(trees.unstack(found, 1), trees.unstack(heads, 1), atol=1e-12, rtol=0)


def walks(seed: int, count: int, dtype: torch.dtype) -> Iterator[DualWalk]:
    """Stacks of many sizes: of other numbers of clients, examples, steps, of other heads and settings."""
    generator = torch.Generator().manual_seed(seed)

    def size(low: int, high: int) -> int:
        return int(torch.randint(low, high, (), generator=generator))

    for _ in range(count):
        clients, examples, batch, steps, classes = size(1, 9), size(5, 7), size(1, 3), size(1, 9), size(2, 4)
        features = torch.randn(clients, examples, FEATURES, generator=generator, dtype=dtype)
        labels = torch.randint(0, classes, (clients, examples), generator=generator)
        positions = torch.randint(0, examples, (clients, steps, batch), generator=generator)
        weights = torch.randint(0, 3, (clients, steps, batch), generator=generator).float()
        head = {
            "head.weight": 5 * torch.randn(clients, classes, FEATURES, generator=generator, dtype=dtype),
            "head.bias": torch.randn(clients, classes, generator=generator, dtype=dtype),
        }
        full = tuple((weights.amax(-1) > 0).all(0).tolist())
        passes = DualPasses(positions, weights, full, features @ features.mT + 1)
        decay = (0.0, 0.01, 0.1)[size(0, 3)]
        yield DualWalk(
            head, Batch(features, labels, torch.ones(clients, examples)), passes, size(1, 9) / 10, 0.9, decay
        )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("seed", range(3))
def test_whose_walks_are_taken_together_changes_no_bit(seed: int, dtype: torch.dtype) -> None:
    every = list(walks(seed, 60, dtype))
    alone = [descend_dual([walk])[0] for walk in every]
    for some in (every, every[::-1], every[::3]):
        found = descend_dual(some)
        for walk, own in zip(some, found, strict=True):
            expected = alone[every.index(walk)]
            assert all(torch.equal(own[name], value) for name, value in expected.items())
