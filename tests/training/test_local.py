import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import torch

from headstart.core import trees
from headstart.core.trees import Params
from headstart.models import ModelSpec, build
from headstart.models.batch import Batch
from headstart.models.model import Model, Trainable, cut_at
from headstart.training.client_data import Passes
from headstart.training.descent import descend
from headstart.training.local import LocalTraining
from headstart.training.optimizers import build_optimizer
from tiny_networks import Built, raw_inputs


@dataclass
class Rows:
    """One client's rows, in their order; it remembers what it was asked."""

    inputs: torch.Tensor
    labels: torch.Tensor
    asked: tuple[object, ...] = ()

    def batches(self, model: Model, passes: Passes) -> Iterator[Batch]:
        self.asked = (passes.batch_size, passes.epochs, passes.steps, passes.balance, passes.stream)
        for _ in range(passes.epochs):
            for rows in torch.arange(len(self.labels)).split(passes.batch_size):
                inputs = model.activations(self.inputs[rows])
                yield Batch(inputs, self.labels[rows], torch.ones(len(rows)), full=True)

    def everything(self, model: Model) -> Batch:
        return next(self.batches(model, Passes(batch_size=len(self.labels))))

    def dual_passes(self, model: Model, params: Params, passes: Passes) -> None:
        return None


@pytest.mark.parametrize("trainable", ["head", 1, "all"])
def test_frozen_stays_frozen(built: Built, trainable: Trainable) -> None:
    """Whatever trains, everything below the cut and every buffer is as it was."""
    data = Rows(built.inputs, built.labels)
    before = {name: value.clone() for name, value in built.params.items()}
    model, params = cut_at(built.network, built.params, trainable)
    trained = LocalTraining(client_lr=0.01, momentum=0.9, weight_decay=0.01).fit(model, params, data, 1)
    after = model.weights(trained)
    moved = {name for name in after if not torch.equal(after[name], before[name])}
    assert {"head.weight", "head.bias"} <= moved <= params.keys()
    assert all(torch.equal(built.params[name], before[name]) for name in before), "arguments are left alone"


@pytest.mark.parametrize("trainable", ["head", 1, "all"])
def test_training_equals_a_plain_torch_loop(trainable: Trainable) -> None:
    network, weights = build(ModelSpec(), shape=(1, 8, 8), num_classes=3, from_scratch=True, seed=0)
    data = Rows(raw_inputs((1, 8, 8), rows=10), torch.arange(10) % 3)
    model, params = cut_at(network, weights, trainable)
    settings = LocalTraining(client_lr=0.1, batch_size=4, momentum=0.9, weight_decay=0.01)
    ours = settings.fit(model, params, data, epochs=2)

    network.load_state_dict(weights)
    parameters = dict(network.named_parameters())
    optimizer = torch.optim.SGD([parameters[name] for name in params], lr=0.1, momentum=0.9, weight_decay=0.01)
    for _, rows in itertools.product(range(2), torch.arange(10).split(4)):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(data.inputs[rows]), data.labels[rows]).backward()
        optimizer.step()
    for name, value in ours.items():
        torch.testing.assert_close(value, parameters[name].detach(), atol=1e-6, rtol=1e-5)


def test_settings_reach_the_data() -> None:
    network, weights = build(ModelSpec(backbone="linear"), shape=(2,), num_classes=2, from_scratch=True, seed=0)
    model, params = cut_at(network, weights, "head")
    data = Rows(torch.ones(3, 2), torch.tensor([0, 0, 1]))
    settings = LocalTraining(batch_size=2, balance="loss", local_steps=7)
    settings.fit(model, params, data, epochs=3, stream="second phase")
    assert data.asked == (2, 3, 7, "loss", "second phase")


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
    for client, flags in enumerate(active):
        alone = trees.unstack(start, client)
        own = [
            Batch(b.inputs[client], b.labels[client], b.weights[client], full=True)
            for b, flag in zip(batches, flags, strict=True)
            if flag
        ]
        expected, _ = descend(pulled, alone, optimizer.init(alone), own, optimizer)
        for key, value in trees.unstack(stacked, client).items():
            torch.testing.assert_close(value, expected[key], atol=1e-12, rtol=0)


def test_the_optimiser_state_goes_on_where_it_stopped() -> None:
    network, weights = build(ModelSpec(backbone="linear"), shape=(4,), num_classes=3, from_scratch=True, seed=0)
    model, _ = cut_at(network, weights, "head")
    batches, start = stacked_batches(4, [[True] * 4]), heads(0)
    optimizer = build_optimizer("adam", 0.1, 0.0, 0.0)
    whole, _ = descend(model.gradient, start, optimizer.init(start), batches, optimizer)
    half, state = descend(model.gradient, start, optimizer.init(start), batches[:2], optimizer)
    resumed, _ = descend(model.gradient, half, state, batches[2:], optimizer)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
