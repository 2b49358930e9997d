"""Adapters of many clients as one batch: their scores and gradients are those of each client alone."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from headstart.core import trees
from headstart.core.trees import Params
from headstart.federate.ffa_lora import FrozenA
from headstart.models.batch import Batch
from headstart.models.lora import Lora, merged
from headstart.models.losses import (
    CROSS_ENTROPY,
    BinaryCrossEntropy,
    CoxPartialLikelihood,
    Loss,
    SquaredError,
)
from headstart.models.model import Model, cut_at
from headstart.models.network import Network
from headstart.models.registry import build
from headstart.models.shared_base import shared_base
from headstart.models.spec import ModelSpec
from tiny_texts import save_encoder

CLIENTS, EXAMPLES, WIDTH, CLASSES = 3, 5, 6, 4


class _Twice(nn.Module):
    """One layer, called two times."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(WIDTH, WIDTH)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.layer(torch.tanh(self.layer(hidden)))


class _Mixing(_Twice):
    """What a batch's examples have in common is taken away."""

    def forward(self, hidden: Tensor) -> Tensor:
        return self.layer(hidden - hidden.mean(0))


class _Reading(_Twice):
    """The layer's weight is read, the layer is not called."""

    def forward(self, hidden: Tensor) -> Tensor:
        return nn.functional.linear(hidden, self.layer.weight)


class _Training(_Reading):
    """The layer is called where something is differentiated, and its weight read elsewhere."""

    def forward(self, hidden: Tensor) -> Tensor:
        return self.layer(hidden) if torch.is_grad_enabled() else _Reading.forward(self, hidden)


class _TokensFirst(_Twice):
    """Examples lie along another axis where the layer is called."""

    def forward(self, hidden: Tensor) -> Tensor:
        return self.layer(hidden.view(len(hidden), 1, WIDTH).expand(-1, 2, -1).transpose(0, 1)).mean(0)


def _network(*blocks: nn.Module, loss: Loss = CROSS_ENTROPY, outputs: int = CLASSES) -> Network:
    torch.manual_seed(0)
    return Network(
        list(blocks) or [nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Tanh()), nn.Linear(WIDTH, WIDTH)],
        num_features=WIDTH,
        num_classes=outputs,
        prepare=nn.Identity(),
        name="by hand",
        loss=loss,
    )


def _cut(network: Network, lora: Lora, dtype: torch.dtype = torch.float64) -> tuple[Model, Params]:
    weights = {name: value.detach().to(dtype) for name, value in network.state_dict().items()}
    return cut_at(network, weights, lora)


def _stack(params: Params) -> Params:
    """Return clients that differ, none of which is fresh."""
    generator = torch.Generator().manual_seed(1)
    return {
        name: torch.randn((CLIENTS, *value.shape), generator=generator, dtype=value.dtype)
        for name, value in params.items()
    }


def _batch(loss: Loss, outputs: int, inputs: Tensor) -> Batch:
    """Return a batch in which one client has fewer examples and examples weigh differently."""
    truth = loss.any_truth(EXAMPLES, outputs)
    weights = torch.rand(CLIENTS, EXAMPLES, generator=torch.Generator().manual_seed(2)) + 0.5
    weights[1, 2:] = 0
    return Batch(inputs, truth.expand(CLIENTS, *truth.shape), weights)


def _vectors(dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(CLIENTS, EXAMPLES, WIDTH, generator=torch.Generator().manual_seed(3), dtype=dtype)


def _alone(model: Model, stack: Params, batch: Batch, client: int) -> tuple[Tensor, Params]:
    """Return one client's scores and gradient."""
    params = trees.unstack(stack, client)
    own = Batch(batch.inputs[client], batch.labels[client], batch.weights[client])
    return model.logits(params, own.inputs), model.gradient(params, own)


def _check(model: Model, params: Params, batch: Batch, tolerance: float = 1e-10) -> None:
    stack = _stack(params)
    scores, gradient = model.logits(stack, batch.inputs), model.gradient(stack, batch)
    assert gradient.keys() == stack.keys()
    for client in range(CLIENTS):
        right, slope = _alone(model, stack, batch, client)
        torch.testing.assert_close(scores[client], right, rtol=tolerance, atol=tolerance)
        for name, value in slope.items():
            torch.testing.assert_close(gradient[name][client], value, rtol=tolerance, atol=tolerance * 10)


def _is_one_batch(model: Model, params: Params, inputs: Tensor, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Say whether a stack's scores need no client's merged weights."""
    model.logits(_stack(params), inputs)  # whether it can be is tried alone
    calls: list[Params] = []

    def counting(weights: Params, scale: float) -> Params:
        calls.append(weights)
        return merged(weights, scale)

    monkeypatch.setattr("headstart.models.model.merged", counting)
    model.logits(_stack(params), inputs)
    return not calls


@pytest.mark.parametrize("lora", [Lora(rank=2), FrozenA(rank=2), Lora(rank=3, last=1, alpha=1.0)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-4)])
def test_each_client_is_as_alone(lora: Lora, dtype: torch.dtype, tolerance: float) -> None:
    model, params = _cut(_network(), lora, dtype)
    inputs = model.activations(_vectors(dtype).flatten(0, 1)).unflatten(0, (CLIENTS, EXAMPLES))
    _check(model, params, _batch(CROSS_ENTROPY, CLASSES, inputs), tolerance)


@pytest.mark.parametrize(
    ("loss", "outputs"),
    [(BinaryCrossEntropy(), 3), (SquaredError((1.0, 2.0), (3.0, 0.5)), 2), (CoxPartialLikelihood(), 1)],
    ids=["multilabel", "regression", "survival"],
)
def test_every_task(loss: Loss, outputs: int) -> None:
    model, params = _cut(_network(loss=loss, outputs=outputs), Lora(rank=2))
    _check(model, params, _batch(loss, outputs, _vectors()))


@pytest.mark.parametrize("kind", ["bert", "distilbert"])
def test_texts_of_different_lengths(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    spec = ModelSpec(backbone=str(save_encoder(tmp_path, kind, tokenizer=False)))
    network, weights = build(spec, shape=(), num_classes=CLASSES, from_scratch=False, seed=0)
    model, params = cut_at(network, weights, Lora(rank=2, alpha=1.0))
    tokens = torch.randint(5, 19, (CLIENTS * EXAMPLES, 9), generator=torch.Generator().manual_seed(0))
    tokens[::2, 6:] = -1
    inputs = model.activations(tokens.to(torch.int32)).unflatten(0, (CLIENTS, EXAMPLES))
    _check(model, params, _batch(CROSS_ENTROPY, CLASSES, inputs), 1e-4)


@pytest.mark.parametrize("block", [_Twice, _Mixing, _Reading, _Training, _TokensFirst])
def test_whatever_a_module_does_each_client_is_as_alone(block: type[nn.Module]) -> None:
    model, params = _cut(_network(block()), Lora(rank=2))
    batch = _batch(CROSS_ENTROPY, CLASSES, _vectors())
    _check(model, params, batch)
    with torch.no_grad():
        scores = model.logits(_stack(params), batch.inputs)
        right = [model.logits(trees.unstack(_stack(params), i), batch.inputs[i]) for i in range(CLIENTS)]
    torch.testing.assert_close(scores, torch.stack(right), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("block", "can"),
    [(_Twice, True), (_Mixing, False), (_Reading, False), (_Training, False), (_TokensFirst, False)],
)
def test_one_batch_where_it_can_be(block: type[nn.Module], can: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    model, params = _cut(_network(block()), Lora(rank=2))
    assert _is_one_batch(model, params, _vectors(), monkeypatch) is can


@pytest.mark.parametrize(("blocks", "can"), [([], True), ([_Mixing()], False)], ids=["layers", "mixing"])
def test_rounding_to_bfloat16_is_no_reason_against_one_batch(
    blocks: list[nn.Module], can: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = _network(*blocks)
    network.precision = "bf16"
    model, params = _cut(network, Lora(rank=2), torch.float32)
    assert _is_one_batch(model, params, _vectors(torch.float32), monkeypatch) is can


def test_a_client_without_an_example_has_no_slope_and_disturbs_no_other() -> None:
    model, params = _cut(_network(), Lora(rank=2))
    batch = _batch(CROSS_ENTROPY, CLASSES, _vectors())
    batch.weights[1] = 0
    gradient = model.gradient(_stack(params), batch)
    assert all(not value[1].any() and value[0].any() and value.isfinite().all() for value in gradient.values())


def test_examples_that_are_all_alike_prove_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model, params = _cut(_network(_Mixing()), Lora(rank=2))
    model.logits(_stack(params), torch.ones(CLIENTS, EXAMPLES, WIDTH, dtype=torch.float64))
    assert not _is_one_batch(model, params, _vectors(), monkeypatch)
    _check(model, params, _batch(CROSS_ENTROPY, CLASSES, _vectors()))


def test_why_not_says_what_went_wrong() -> None:
    model, params = _cut(_network(), Lora(rank=2))
    base = shared_base(model.network, model.cut, model.above, model.adapters, model.scale)

    def fails(*_: Any) -> Tensor:
        raise RuntimeError("\nno such road\nat all")

    assert base.why_not(fails, _stack(params), _vectors()) == "no such road"


def test_the_network_and_its_weights_stay_as_they_are() -> None:
    network = _network()
    before = {name: id(value) for name, value in network.named_parameters()}
    model, params = _cut(network, Lora(rank=2))
    base = shared_base(network, model.cut, model.above, model.adapters, model.scale)
    base.logits(_stack(params), _vectors())
    assert {name: id(value) for name, value in network.named_parameters()} == before
    assert before["head.weight"] == id(base.network.head.weight)
