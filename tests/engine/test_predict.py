from dataclasses import replace

import numpy as np
import pytest
import torch

from headstart.adapt import Knn
from headstart.core import trees
from headstart.core.trees import Params
from headstart.engine.clients import Clients
from headstart.engine.predict import Predictor, predict, predict_stack
from headstart.federate.ffa_lora import FrozenA
from headstart.models.cut import Trainable
from headstart.models.lora import Lora
from headstart.models.model import Model
from headstart.testing import World, open_world


def others(params: Params, count: int) -> list[Params]:
    generator = torch.Generator().manual_seed(0)
    return [
        trees.map_tree(lambda value: value + 0.1 * torch.randn(value.shape, generator=generator), params)
        for _ in range(count)
    ]


@pytest.mark.parametrize("trainable", ["head", 1, "all"])
def test_probabilities_are_the_softmax_of_the_whole_network(trainable: Trainable) -> None:
    world = open_world(trainable)
    network = world.model.network
    network.load_state_dict(world.model.weights(world.params))
    rows = np.array([5, 3, 50, 3, *range(20, 31)])
    expected = torch.softmax(network(torch.from_numpy(world.federation.examples.inputs[rows])), -1)
    found = predict(world.model, world.params, world.activations, rows, batch_size=7)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected.detach(), atol=1e-6)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-12)


def test_nothing_to_predict() -> None:
    world = open_world("head")
    assert predict(world.model, world.params, world.activations, np.empty(0, dtype=np.int64)).shape == (0, 3)


@pytest.mark.parametrize("trainable", ["head", "all"])
@pytest.mark.parametrize("count", [1, 3])
def test_a_stack_predicts_as_its_members_alone(trainable: Trainable, count: int) -> None:
    world: World = open_world(trainable)
    members = others(world.params, count)
    rows = [np.arange(4), np.empty(0, dtype=np.int64), np.array([9, 9, 1])][:count]
    found = predict_stack(world.model, trees.stack(members), world.activations, rows)
    assert [len(part) for part in found] == [len(part) for part in rows]
    for params, part, own in zip(members, found, rows, strict=True):
        np.testing.assert_allclose(part, predict(world.model, params, world.activations, own), atol=1e-6)


@pytest.mark.parametrize("room", [1, 2**26])
@pytest.mark.parametrize("lora", [Lora(), FrozenA()])
def test_clients_with_few_examples_and_adapters_predict_in_batches_of_all(
    lora: Lora, room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = open_world(lora, dtype=torch.float64)
    members = others(world.params, 3)
    rows = [np.arange(4), np.empty(0, dtype=np.int64), np.array([9, 9, 1])]
    right = [predict(world.model, params, world.activations, own) for params, own in zip(members, rows, strict=True)]
    asked: list[int] = []
    logits = Model.logits

    def counting(model: Model, params: Params, inputs: torch.Tensor) -> torch.Tensor:
        asked.append(len(inputs))
        return logits(model, params, inputs)

    monkeypatch.setattr(Model, "logits", counting)
    found = predict_stack(world.model, trees.stack(members), world.activations, rows, adapter_bytes=room)
    assert asked == ([7] if room > 1 else [1] * 7)
    for one, other in zip(found, right, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-10)


@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0])
def test_predictions_from_memories_can_be_made_in_parts(weight: float) -> None:
    """With room for one number every example is a part of its own."""
    world = open_world("head", dtype=torch.float64)
    method, everyone = Knn(weight=weight), np.arange(len(world.federation.clients))
    memory = method.memory(world.model, Clients(world.federation.clients, world.activations).some(everyone, ()))
    stack = trees.broadcast(world.params, len(everyone))
    whole = Predictor(world.model, stack, world.activations, method, memory)
    rows = [client.test for client in world.federation.clients]
    parts = replace(whole, most_numbers=1).predict(everyone, rows)
    np.testing.assert_allclose(np.concatenate(parts), np.concatenate(whole.predict(everyone, rows)), atol=1e-12)


def short_of_memory(patch: pytest.MonkeyPatch, room: int) -> list[int]:
    """Let a forward pass find memory for so many examples; say how many it was tried with."""
    logits, tried = Model.logits, list[int]()

    def looking(self: Model, params: Params, inputs: torch.Tensor) -> torch.Tensor:
        tried.append(len(inputs))
        if len(inputs) > room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return logits(self, params, inputs)

    patch.setattr(Model, "logits", looking)
    return tried


@pytest.mark.parametrize("room", [1, 2, 7])
def test_a_batch_that_finds_no_memory_is_predicted_in_halves(room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    world = open_world("all")
    rows = np.arange(40)
    expected = predict(world.model, world.params, world.activations, rows)
    tried = short_of_memory(monkeypatch, room)
    found = predict(world.model, world.params, world.activations, rows, batch_size=20)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    fits = next(at for at, size in enumerate(tried) if size <= room)
    assert max(tried[fits:]) <= room, "the size that fits is remembered"
