"""Steps of gradient descent: of a stack as of each client, and on from where they stopped."""

import pytest
import torch

from headstart.core import trees
from headstart.core.trees import Params
from headstart.models import ModelSpec, build
from headstart.models.batch import Batch
from headstart.models.model import cut_at
from headstart.training.descent import descend
from headstart.training.optimizers import build_optimizer


def heads(*seeds: int) -> Params:
    return trees.stack(
        [{"head.weight": draw(seed, 3, 4), "head.bias": torch.zeros(3, dtype=torch.float64)} for seed in seeds]
    )


def draw(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def stacked_batches(steps: int, active: list[list[bool]]) -> list[Batch]:
    """``steps`` batches of 5 rows for each client; an inactive client's are all padding."""
    clients = len(active)
    return [
        Batch(
            draw(10 + step, clients, 5, 4),
            torch.randint(0, 3, (clients, 5), generator=torch.Generator().manual_seed(step)),
            torch.tensor([[float(flags[step])] * 5 for flags in active], dtype=torch.float64),
        )
        for step in range(steps)
    ]


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_a_stack_trains_as_its_clients_do_and_padding_moves_nobody(name: str) -> None:
    """Momentum, weight decay and a regulariser would all move a client whose loss is merely masked."""
    network, weights = build(ModelSpec(backbone="linear"), shape=(4,), num_classes=3, from_scratch=True, seed=0)
    model, _ = cut_at(network, weights, "head")
    active = [[True] * 6, [True, True, False, False, False, False], [True, False, True, False, True, True]]
    batches = stacked_batches(6, active)
    optimizer = build_optimizer(name, 0.1, 0.9, 0.05)

    def pulled(params: Params, batch: Batch) -> Params:
        return trees.add(model.gradient(params, batch), trees.scale(params, 0.3))

    start = heads(0, 1, 2)
    stacked, _ = descend(pulled, start, optimizer.init(start), batches, optimizer)

    def alone(client: int) -> Params:
        own = [
            Batch(b.inputs[client], b.labels[client], b.weights[client], full=True)
            for b, is_active in zip(batches, active[client], strict=True)
            if is_active
        ]
        first = trees.unstack(start, client)
        return descend(pulled, first, optimizer.init(first), own, optimizer)[0]

    expected = trees.stack([alone(client) for client in range(len(active))])
    torch.testing.assert_close(stacked, expected, atol=1e-12, rtol=0)


def test_the_optimiser_state_goes_on_where_it_stopped() -> None:
    network, weights = build(ModelSpec(backbone="linear"), shape=(4,), num_classes=3, from_scratch=True, seed=0)
    model, _ = cut_at(network, weights, "head")
    batches, start = stacked_batches(4, [[True] * 4]), heads(0)
    optimizer = build_optimizer("adam", 0.1, 0.0, 0.0)
    whole, _ = descend(model.gradient, start, optimizer.init(start), batches, optimizer)
    half, state = descend(model.gradient, start, optimizer.init(start), batches[:2], optimizer)
    resumed, _ = descend(model.gradient, half, state, batches[2:], optimizer)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
