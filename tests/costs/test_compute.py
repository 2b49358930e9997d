from __future__ import annotations

from torch import Tensor

from headstart.core.trees import Params
from headstart.costs.compute import flops_per_example
from headstart.models.model import cut_at
from headstart.models.network import Network

# Multiply-adds count two: pixels x output channels x (input channels x 9), and features x classes.
CONV1 = 2 * 64 * 4 * 9
CONV2 = 2 * 64 * 2 * 36
HEAD = 2 * 128 * 3


def test_all_trainable(network: Network, weights: Params, raw: Tensor) -> None:
    model, params = cut_at(network, weights, "all")
    flops = flops_per_example(model, params, raw)
    assert flops.frozen == 0
    assert flops.forward == CONV1 + CONV2 + HEAD
    # Backward: gradients of weights and of inputs, but block 0 needs none of its inputs.
    assert flops.training == 2 * CONV1 + 3 * CONV2 + 3 * HEAD


def test_last_block(network: Network, weights: Params, raw: Tensor) -> None:
    model, params = cut_at(network, weights, 1)
    flops = flops_per_example(model, params, raw)
    assert (flops.frozen, flops.forward, flops.training) == (CONV1, CONV2 + HEAD, 2 * CONV2 + 3 * HEAD)


def test_head_in_closed_form(network: Network, weights: Params, raw: Tensor) -> None:
    model, params = cut_at(network, weights, "head")
    flops = flops_per_example(model, params, raw)
    assert (flops.frozen, flops.forward, flops.training) == (CONV1 + CONV2, HEAD, 2 * HEAD)
