"""AdaBN and Tent against networks that normalise by batches, and by hand."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from headstart.adapt import METHODS, AdaBN, Adapt, Tent
from headstart.core.errors import SettingError
from headstart.core.seeds import torch_generator
from headstart.core.trees import Params
from headstart.models.batch import Batch
from headstart.models.model import Model, cut_at
from headstart.models.network import Network
from headstart.testing import open_world
from headstart.training.client_data import Passes


@dataclass
class Rows:
    """A client's inputs in their order, whatever is asked."""

    inputs: Tensor
    labels: Tensor

    def batches(self, model: Model, passes: Passes) -> Iterator[Batch]:
        for _ in range(passes.epochs):
            for start in range(0, len(self.inputs), passes.batch_size):
                rows = slice(start, start + passes.batch_size)
                yield Batch(self.inputs[rows], self.labels[rows], torch.ones(len(self.labels[rows])), full=True)

    def everything(self, model: Model) -> Batch:
        return next(self.batches(model, Passes(batch_size=len(self.inputs))))

    def dual_passes(self, model: Model, params: Params, passes: Passes) -> None:
        return None


def open_client(rows: int = 40) -> tuple[Model, Params, Rows]:
    """Two convolutions with BatchNorms whose statistics are not the client's, in float64."""
    generator = torch_generator(0)
    blocks = [
        nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU()),
        nn.Sequential(nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6, eps=1e-3), nn.ReLU(), nn.Flatten(), nn.Linear(96, 5)),
        nn.BatchNorm1d(5),
    ]
    network = Network(blocks, num_features=5, num_classes=3, prepare=lambda inputs: inputs, name="norms")
    weights = {
        name: torch.randn(value.shape, generator=generator, dtype=torch.float64)
        for name, value in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    weights |= {name: value.abs() + 0.1 for name, value in weights.items() if name.endswith("running_var")}
    inputs = 2 + 3 * torch.randn(rows, 3, 8, 8, generator=generator, dtype=torch.float64)
    return *cut_at(network, weights, "all"), Rows(inputs, torch.arange(rows) % 3)


def in_training_mode(model: Model, params: Params, inputs: Tensor) -> Tensor:
    """Return scores of the network as PyTorch trains it: normalised by the batch."""
    network = Network(
        list(model.network.blocks), num_features=5, num_classes=3, prepare=lambda inputs: inputs, name="reference"
    ).double()
    network.load_state_dict({**model.weights(params)}, strict=False)
    network.train()
    with torch.no_grad():
        found: Tensor = network(inputs)
    return found


def test_adabn_is_the_network_that_normalises_by_the_batch() -> None:
    model, params, data = open_client()
    found = AdaBN(source_weight=0)(model, params, data)
    before = model.logits(params, data.inputs)
    after = model.logits(found, data.inputs)
    assert not torch.allclose(before, after, atol=0.1)
    torch.testing.assert_close(after, in_training_mode(model, params, data.inputs))
    changed = {name for name in params if not torch.equal(params[name], found[name])}
    assert changed == {f"{at}.{part}" for at in ("blocks.0.1", "blocks.1.1", "blocks.2") for part in ("weight", "bias")}


def test_statistics_are_mixed_with_those_received() -> None:
    """Of the first layer, whose inputs do not depend on it: Schneider et al., equation 3."""
    model, params, data = open_client()
    found = AdaBN(source_weight=10)(model, params, data)
    read = torch.nn.functional.conv2d(data.inputs, params["blocks.0.0.weight"])
    old = {part: model.frozen[f"blocks.0.1.running_{part}"] for part in ("mean", "var")}
    mean = 0.2 * old["mean"] + 0.8 * read.mean((0, 2, 3))
    variance = 0.2 * old["var"] + 0.8 * read.var((0, 2, 3), correction=0)
    scale, shift = params["blocks.0.1.weight"], params["blocks.0.1.bias"]
    right = nn.functional.batch_norm(read, mean, variance, scale, shift, eps=1e-5)
    folded = found["blocks.0.1.weight"], found["blocks.0.1.bias"]
    torch.testing.assert_close(nn.functional.batch_norm(read, old["mean"], old["var"], *folded, eps=1e-5), right)


def test_the_first_layers_statistics_do_not_depend_on_batches() -> None:
    model, params, data = open_client()
    one, many = (AdaBN(source_weight=0, batch_size=size)(model, params, data) for size in (40, 7))
    for part in ("weight", "bias"):
        torch.testing.assert_close(many[f"blocks.0.1.{part}"], one[f"blocks.0.1.{part}"])


def test_much_weight_of_the_source_changes_nothing() -> None:
    model, params, data = open_client()
    found = AdaBN(source_weight=1e15)(model, params, data)
    for name, value in params.items():
        torch.testing.assert_close(found[name], value)


def test_tent_is_adam_on_the_entropy() -> None:
    """By hand, from the statistics that AdaBN writes: PyTorch's Adam and autograd, two passes of batches."""
    model, params, data = open_client()
    begun = AdaBN(source_weight=5, batch_size=256)(model, params, data)
    own = {name: begun[name].clone().requires_grad_() for name in begun if params[name] is not begun[name]}
    optimizer = torch.optim.Adam(list(own.values()), 0.01)
    for start in (0, 16, 32) * 2:
        weights = {**model.frozen, **begun, **own}
        scores = torch.func.functional_call(model.network, weights, (data.inputs[start : start + 16],))
        chances = torch.softmax(scores, -1)
        optimizer.zero_grad()
        (-(chances * chances.log()).sum(-1).mean()).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    found = Tent(affine_lr=0.01, epochs=2, batch_size=16, source_weight=5)(model, params, data)
    for name in params:
        torch.testing.assert_close(found[name], own[name].detach() if name in own else params[name])


def test_tent_makes_predictions_surer() -> None:
    model, params, data = open_client()

    def entropy(params: Params) -> float:
        logs = torch.log_softmax(model.logits(params, data.inputs), -1)
        return float(-(logs.exp() * logs).sum(-1).mean())

    begun = AdaBN(batch_size=256)(model, params, data)
    assert entropy(Tent(epochs=5, affine_lr=0.01)(model, params, data)) < entropy(begun) - 0.05


@pytest.mark.parametrize("method", [AdaBN(), Tent(epochs=2)], ids=["adabn", "tent"])
def test_labels_are_not_looked_at(method: Adapt) -> None:
    model, params, data = open_client()
    mixed = Rows(data.inputs, data.labels.flip(0))
    assert not torch.equal(mixed.labels, data.labels)
    found, other = method(model, params, data), method(model, params, mixed)
    assert all(torch.equal(found[name], other[name]) for name in params)


@pytest.mark.parametrize("name", ["adabn", "tent"])
def test_a_network_without_norms_is_refused(name: str) -> None:
    world = open_world("all")
    data = Rows(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(SettingError, match=rf"adapt: '{name}' needs a network with .*, received one without"):
        METHODS[name].build({})(world.model, world.params, data)
