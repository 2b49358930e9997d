from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from headstart.core.trees import Params, num_bytes
from headstart.costs.memory import LiveBytes
from headstart.models.batch import Batch
from headstart.models.model import Model, cut_at
from headstart.models.network import Network


def batch_of(size: int) -> Batch:
    return Batch(torch.rand(size, 1, 8, 8), torch.zeros(size, dtype=torch.int64), torch.ones(size))


def peak(model: Model, params: Params, weights: Params, size: int) -> int:
    batch = batch_of(size)
    with LiveBytes(weights) as memory:
        model.gradient(params, batch)
    return memory.peak


def saved_for_backward(model: Model, params: Params, batch: Batch) -> int:
    """Bytes of the distinct storages that autograd keeps, weights and inputs aside."""
    given = {v.untyped_storage().data_ptr() for v in (*params.values(), batch.inputs, batch.labels, batch.weights)}
    sizes: dict[int, int] = {}

    def keep(value: Tensor) -> Tensor:
        storage = value.untyped_storage()
        if storage.data_ptr() not in given:
            sizes[storage.data_ptr()] = storage.nbytes()
        return value

    with saved_tensors_hooks(keep, lambda value: value):
        model.gradient(params, batch)
    return sum(sizes.values())


def test_counts_what_is_alive_and_forgets_what_is_not() -> None:
    with LiveBytes() as memory:
        first = torch.zeros(1000)
        second = first + 1
        view = second[:10]
        del first
        third = torch.zeros(500)
    assert memory.peak == 8000
    assert memory.live == 6000
    del second, third
    assert memory.live == 4000
    del view
    assert memory.live == 0


def test_known_tensors_do_not_count() -> None:
    given = torch.zeros(1000)
    with LiveBytes({"w": given}) as memory:
        assert given.view(10, 100).sum() == 0
    assert memory.peak <= 16


def test_held_tensors_count_from_the_start_unless_known() -> None:
    known, held = torch.zeros(1000), torch.zeros(500)
    assert LiveBytes({"w": known}, {"w": known, "v": held}).live == 2000


def test_a_training_step_holds_what_autograd_saves(network: Network, weights: Params) -> None:
    model, params = cut_at(network, weights, "all")
    saved = saved_for_backward(model, params, batch_of(16))
    measured = peak(model, params, weights, 16)
    # Above what is saved: gradients of activations and parameters while the backward pass goes down.
    assert saved < measured < 3 * saved + num_bytes(params)


def test_activations_grow_with_the_batch_and_parameters_do_not(network: Network, weights: Params) -> None:
    model, params = cut_at(network, weights, "all")
    small, middle, large = (peak(model, params, weights, size) for size in (16, 32, 48))
    assert large - middle == middle - small > 0


def test_a_head_alone_needs_less_than_everything(network: Network, weights: Params) -> None:
    whole, params = cut_at(network, weights, "all")
    model, head = cut_at(network, weights, "head")
    features = Batch(torch.rand(16, 128), torch.zeros(16, dtype=torch.int64), torch.ones(16))
    with LiveBytes(weights) as memory:
        model.gradient(head, features)
    assert memory.peak < peak(whole, params, weights, 16) / 3
