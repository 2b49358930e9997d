"""Adapters against PEFT, trained by hand on the same batches; merging, cutting, and what is refused."""

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from headstart.core import trees
from headstart.core.errors import ModelError
from headstart.core.trees import Params
from headstart.federate.ffa_lora import FrozenA
from headstart.models.batch import Batch
from headstart.models.lora import Lora, adapted_layers, new_adapters
from headstart.models.model import Model, cut_at
from headstart.models.network import Network
from headstart.models.registry import build
from headstart.models.spec import ModelSpec
from headstart.training.descent import descend
from headstart.training.local import LocalTraining
from tiny_texts import save_encoder

STEPS = 6
LORA = Lora(rank=3, alpha=6.0)


@pytest.fixture(scope="module")
def text_spec(tmp_path_factory: pytest.TempPathFactory) -> ModelSpec:
    pytest.importorskip("transformers")
    return ModelSpec(backbone=str(save_encoder(tmp_path_factory.mktemp("bert"), tokenizer=False)))


def _network(kind: str, text_spec: ModelSpec) -> tuple[Network, Params, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    if kind == "mlp":
        spec = ModelSpec(backbone="mlp", hidden=(7, 5))
        network, weights = build(spec, shape=(4,), num_classes=3, from_scratch=True, seed=0)
        return network, weights, torch.randn(16, 4, generator=generator)
    network, weights = build(text_spec, shape=(), num_classes=3, from_scratch=False, seed=0)
    tokens = torch.randint(5, 19, (16, 9), generator=generator, dtype=torch.int32)
    tokens[::2, 6:] = -1
    return network, weights, tokens


def _batches(inputs: torch.Tensor, model: Model) -> list[Batch]:
    activations, labels = model.activations(inputs), torch.arange(16) % 3
    return [
        Batch(activations[some], labels[some], torch.ones(4), full=True)
        for some in (torch.arange(4) + 4 * (step % 4) for step in range(STEPS))
    ]


def _by_hand(
    network: Network, weights: Params, adapters: Params, lora: Lora, inputs: torch.Tensor, local: LocalTraining
) -> dict[str, torch.Tensor]:
    """Train with PEFT's own layers and PyTorch's own optimisers; return the layers' merged weights and the head."""
    peft = pytest.importorskip("peft")
    network.load_state_dict(weights)
    names = list(adapted_layers(network, lora))
    config = peft.LoraConfig(r=lora.rank, lora_alpha=lora.alpha, target_modules=names, modules_to_save=[])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = peft.inject_adapter_in_model(config, network)
    layers: dict[str, Any] = {name: network.get_submodule(name) for name in names}
    with torch.no_grad():
        for name, layer in layers.items():
            layer.lora_A["default"].weight.copy_(adapters[f"lora.{name}.A"])
            layer.lora_B["default"].weight.copy_(adapters[f"lora.{name}.B"])
    trained = [p for name, p in network.named_parameters() if "lora_" in name or name.startswith("head.")]
    for parameter in trained:
        parameter.requires_grad_()
    optimizer: torch.optim.Optimizer = (
        torch.optim.SGD(trained, local.client_lr, momentum=local.momentum)
        if local.optimizer == "sgd"
        else torch.optim.AdamW(trained, local.client_lr, weight_decay=local.weight_decay)
    )
    labels = torch.arange(16) % 3
    for step in range(STEPS):
        some = torch.arange(4) + 4 * (step % 4)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(inputs[some]), labels[some]).backward()
        optimizer.step()
    found = {
        f"{name}.weight": layer.get_base_layer().weight + layer.get_delta_weight("default")
        for name, layer in layers.items()
    }
    return {**found, "head.weight": network.head.weight, "head.bias": network.head.bias}


@pytest.mark.parametrize("kind", ["mlp", "bert"])
@pytest.mark.parametrize(
    "local",
    [LocalTraining(client_lr=0.1, momentum=0.9), LocalTraining(client_lr=0.01, optimizer="adamw", weight_decay=0.05)],
    ids=["sgd", "adamw"],
)
def test_adapters_train_as_peft_trains_them(kind: str, local: LocalTraining, text_spec: ModelSpec) -> None:
    network, weights, inputs = _network(kind, text_spec)
    model, params = cut_at(network, weights, LORA)
    optimizer = local.build()
    trained, _ = descend(model.gradient, params, optimizer.init(params), _batches(inputs, model), optimizer)
    found = model.weights(trained)
    right = _by_hand(network, weights, model.adapters, LORA, inputs, local)
    changed = [name for name in weights if not torch.equal(found[name], weights[name])]
    assert sorted(changed) == sorted(right)
    for name, value in right.items():
        torch.testing.assert_close(found[name], value.detach(), rtol=0, atol=1e-5)


def test_transformers_adapt_queries_and_values(text_spec: ModelSpec) -> None:
    network, _, _ = _network("bert", text_spec)
    names = {name.rpartition(".")[2] for name in adapted_layers(network, Lora())}
    assert names == {"query", "value"}
    assert len(adapted_layers(network, Lora(last=1))) == 2
    assert len(adapted_layers(network, Lora(targets=("dense",)))) == 9


def test_fresh_adapters_change_nothing_and_are_the_same_for_all(text_spec: ModelSpec) -> None:
    network, weights, inputs = _network("bert", text_spec)
    model, params = cut_at(network, weights, LORA)
    merged = model.weights(params)
    assert merged.keys() == weights.keys()
    assert all(torch.equal(merged[name], weights[name]) for name in weights)
    again = new_adapters(network, weights, LORA)
    assert all(torch.equal(again[name], model.adapters[name]) for name in again)
    head, head_params = cut_at(network, weights, "head")
    torch.testing.assert_close(
        model.logits(params, model.activations(inputs)), head.logits(head_params, head.activations(inputs))
    )


def test_merged_weights_can_be_cut_anywhere(text_spec: ModelSpec) -> None:
    network, weights, inputs = _network("bert", text_spec)
    model, params = cut_at(network, weights, LORA)
    params = trees.map_tree(lambda value: value + 0.1, params)
    scores = model.logits(params, model.activations(inputs))
    for trainable in ("head", 1, "all", LORA):
        other, its = model.recut(params, trainable)  # type: ignore[arg-type]
        torch.testing.assert_close(other.logits(its, other.activations(inputs)), scores)


def test_only_the_last_blocks_are_computed_anew(text_spec: ModelSpec) -> None:
    network, weights, _ = _network("bert", text_spec)
    model, params = cut_at(network, weights, Lora(last=1))
    assert model.cut == network.depth - 1
    assert model.num_trainable == sum(value.numel() for value in params.values()) == 2 * 8 * (8 + 8) + 8 * 3 + 3


def test_a_frozen_a_is_no_parameter(text_spec: ModelSpec) -> None:
    network, weights, _ = _network("bert", text_spec)
    model, params = cut_at(network, weights, FrozenA())
    assert not any(name.endswith(".A") for name in params)
    assert set(model.adapters) - set(params) <= set(model.frozen)


REFUSED = {
    "too many blocks": (Lora(last=9), r"last: .* has 4 blocks, received 9; give 1 to 4"),
    "no such layer": (Lora(targets=("qkv",)), r"targets: .* received \['qkv'\]; valid: dense, key, query, value"),
}


@pytest.mark.parametrize(("lora", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_adapted_is_refused(lora: Lora, message: str, text_spec: ModelSpec) -> None:
    network, weights, _ = _network("bert", text_spec)
    with pytest.raises(ModelError, match=message):
        cut_at(network, weights, lora)


def test_a_network_of_convolutions_has_nothing_to_adapt() -> None:
    spec = ModelSpec(backbone="small-cnn")
    network, weights = build(spec, shape=(1, 8, 8), num_classes=2, from_scratch=True, seed=0)
    with pytest.raises(ModelError, match="valid: none: this network has no linear layer below its head"):
        cut_at(network, weights, Lora())


def test_the_folder_of_a_checkpoint_does_not_matter(tmp_path: Path, text_spec: ModelSpec) -> None:
    other = ModelSpec(backbone=str(save_encoder(tmp_path, tokenizer=False)))
    first, second = (build(s, shape=(), num_classes=3, from_scratch=False, seed=0)[1] for s in (text_spec, other))
    network, _, _ = _network("bert", text_spec)
    assert trees.num_bytes(new_adapters(network, first, LORA)) == trees.num_bytes(new_adapters(network, second, LORA))
