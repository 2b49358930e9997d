import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import torch

from headstart.core.trees import Params
from headstart.models import ModelSpec, build
from headstart.models.batch import Batch
from headstart.models.cut import Trainable
from headstart.models.model import Model, cut_at
from headstart.training.client_data import Passes
from headstart.training.local import LocalTraining
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
    right = {name: parameters[name].detach() for name in ours}
    torch.testing.assert_close(ours, right, atol=1e-6, rtol=1e-5)


def test_settings_reach_the_data() -> None:
    network, weights = build(ModelSpec(backbone="linear"), shape=(2,), num_classes=2, from_scratch=True, seed=0)
    model, params = cut_at(network, weights, "head")
    data = Rows(torch.ones(3, 2), torch.tensor([0, 0, 1]))
    settings = LocalTraining(batch_size=2, balance="loss", local_steps=7)
    settings.fit(model, params, data, epochs=3, stream="second phase")
    assert data.asked == (2, 3, 7, "loss", "second phase")
