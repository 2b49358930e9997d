"""A module's forward written down and cut into blocks.

``torch.fx`` writes down what forward does, call by call, those of functions between the modules too
(``torch.flatten``, a residual sum, a class token). Where a single tensor goes from what was done to what comes next,
forward can be cut, and the two halves one after the other do what the whole does.

Reed, DeVito, He, Ussery, Ansel: *torch.fx: Practical Program Capture and Transformation for Deep Learning in Python*,
MLSys 2022, https://arxiv.org/abs/2112.08429.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from headstart.models.own.head import Head

_FEWEST_BLOCKS = 3
"""Modules with a good part of the weights, below which the largest is looked into for more."""

_GOOD_PART = 0.02
"""Share of the weights below the head that counts as a good part."""


@dataclass(frozen=True, eq=False)
class Trace:
    """A module's forward up to the features that its head reads.

    Attributes:
        module: whose forward it is.
        nodes: the calls, in order; the input first.
        features: the node that the head reads.
        values: what each made of the inputs that were tried.
    """

    module: nn.Module
    nodes: Sequence[fx.Node]
    features: fx.Node
    values: dict[fx.Node, Any]

    def crossing(self, place: int) -> fx.Node | None:
        """Return what goes over a cut before ``nodes[place]``; None if it is not one tensor with a row per example."""
        later = set(self.nodes[place:])
        values = [node for node in self.nodes[:place] if node.op != "get_attr"]
        over = [node for node in values if later & node.users.keys() or node is self.features]
        return over[0] if len(over) == 1 and self._is_batch(over[0]) else None

    def _is_batch(self, node: fx.Node) -> bool:
        value = self.values.get(node)
        rows = len(self.values[self.nodes[0]])
        return isinstance(value, Tensor) and value.is_floating_point() and value.dim() > 1 and len(value) == rows


def trace(module: nn.Module, head: Head, inputs: Tensor, cuts: Sequence[str]) -> Trace | None:
    """Write down a module's forward; None where that cannot be done.

    Modules are calls by themselves, whatever they do inside. Those that hold the head, or a module at which a cut is
    asked for, are looked into; without cuts, so are the largest ones, until there are a few blocks.

    Args:
        module: reads prepared inputs.
        head: of it.
        inputs: prepared.
        cuts: names of modules that must be calls.
    """
    opened = {parent for name in (head.name, *cuts) for parent in _parents(name)}
    found = _traced(module, head, inputs, opened)
    while found and not cuts and len(_good_parts(found)) < _FEWEST_BLOCKS:
        largest = _largest(found)
        if largest is None:
            break
        opened = {*opened, largest}
        deeper = _traced(module, head, inputs, opened)
        if deeper is None:
            break
        found = deeper
    return found


class _Tracer(fx.Tracer):
    """Looks into some modules alone."""

    def __init__(self, opened: set[str]) -> None:
        super().__init__()
        self.opened = opened

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:  # noqa: ARG002
        """Say whether a module is a call by itself."""
        return module_qualified_name not in self.opened


def _traced(module: nn.Module, head: Head, inputs: Tensor, opened: set[str]) -> Trace | None:
    try:
        graph = _Tracer(opened).trace(module)
        written = fx.GraphModule(module, graph)
        values = _Values(written)
        values.run(inputs)
    except Exception:  # a user's forward may do anything that cannot be written down
        return None
    nodes = list(graph.nodes)
    ends = [place for place, node in enumerate(nodes) if node.op == "call_module" and node.target == head.name]
    if len(ends) != 1 or sum(node.op == "placeholder" for node in nodes[: ends[0]]) != _inputs(nodes):
        return None
    (features, *_) = nodes[ends[0]].all_input_nodes
    return Trace(module, nodes[: ends[0]], features, values.found)


def _inputs(nodes: Sequence[fx.Node]) -> int:
    return 1 if nodes and nodes[0].op == "placeholder" else -1


class _Values(fx.Interpreter):
    """Runs a graph and keeps what each call made."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module, garbage_collect_values=False)
        self.found: dict[fx.Node, Any] = {}

    @torch.no_grad()
    def run_node(self, n: fx.Node) -> Any:
        """Run one call."""
        self.found[n] = made = super().run_node(n)
        return made


def called(found: Trace, place: int) -> nn.Module | None:
    """Return the module that is called at a place; None where a function is."""
    node = found.nodes[place]
    return found.module.get_submodule(str(node.target)) if node.op == "call_module" else None


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


def _weights(module: nn.Module | None) -> int:
    return sum(value.numel() for value in module.parameters()) if module else 0


def _good_parts(found: Trace) -> list[int]:
    sizes = [_weights(called(found, place)) for place in range(len(found.nodes))]
    return [size for size in sizes if size > _GOOD_PART * sum(sizes)]


def _largest(found: Trace) -> str | None:
    """Name the largest call that holds other modules."""
    holders = {
        str(found.nodes[place].target): _weights(module)
        for place in range(len(found.nodes))
        if (module := called(found, place)) is not None and list(module.children()) and _can_open(module)
    }
    return max(holders, key=holders.__getitem__) if any(holders.values()) else None


def _can_open(module: nn.Module) -> bool:
    """PyTorch's own layers are wholes, its containers aside."""
    return not type(module).__module__.startswith("torch.nn") or isinstance(module, nn.Sequential)
