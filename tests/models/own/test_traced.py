"""A forward written down: where it can be cut, and where it cannot be written down at all."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

import own_networks as networks
from headstart.models import ModelSpec
from headstart.models.own.head import find_head
from headstart.models.own.inputs import reads
from headstart.models.own.traced import Trace, trace


def traced(module: nn.Module, shape: tuple[int, ...]) -> Trace | None:
    how = reads(module.eval(), ModelSpec(backbone="x:y"), shape)
    return trace(how.module, find_head(how, None, "x:y"), how.prepare(how.probes[0]), ())


class Between(nn.Module):
    """Does something of its own between two layers."""

    def __init__(self, between: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.last, self.between = nn.Linear(4, 6), nn.Linear(6, 3), between

    def forward(self, inputs: Tensor) -> Tensor:
        hidden: Tensor = self.last(self.between(self.first(inputs)))
        return hidden


def test_a_trace_ends_with_what_the_head_reads() -> None:
    found = traced(Between(torch.relu), (4,))
    assert found is not None
    module = found.module.get_submodule(str(found.nodes[1].target))
    assert isinstance(module, nn.Linear)
    assert module.in_features == 4
    assert found.values[found.features].shape[1] == 6


def test_one_tensor_crosses_a_cut_and_two_do_not() -> None:
    found = traced(networks.ResNet(), (3, 32, 32))
    assert found is not None
    free = [place for place in range(1, len(found.nodes)) if found.crossing(place) is not None]
    assert 0 < len(free) <= len(found.nodes) - 1

    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.head = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, inputs: Tensor) -> Tensor:
            hidden: Tensor = self.head(inputs + self.second(self.first(inputs)))
            return hidden

    both = traced(Sum(), (4,))
    assert both is not None
    inside = [i for i, node in enumerate(both.nodes) if "second" in str(node.target)]
    assert both.crossing(inside[0]) is None, "the input goes over that cut too"


def test_a_forward_that_looks_at_values_is_not_written_down() -> None:
    assert traced(Between(lambda x: x if float(x.sum()) > 0 else -x), (4,)) is None
