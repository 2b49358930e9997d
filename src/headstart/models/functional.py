"""What lies above a network's cut as one function of its weights: no modules, no names, only calls of functions.

A step of a small network costs little more than what its modules do around the arithmetic: looking up attributes,
hooks, putting a tree's weights in place of their own. ``torch.fx`` writes down the calls once, and its function is
called from then on. Sizes of maps are plain numbers while it is written (all inputs of a stage have one shape), so
that code that asks for them can be written down too; the number of examples is not among them.

Reed, DeVito, He, Ussery, Ansel: *torch.fx: Practical Program Capture and Transformation for Deep Learning in Python*,
MLSys 2022, https://arxiv.org/abs/2112.08429.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.func import functional_call

from headstart.core import trees
from headstart.core.device import Precision, lowered
from headstart.core.trees import Params
from headstart.models.network import Network


@dataclass(frozen=True, eq=False)
class Functional:
    """A network above its cut as a function.

    Attributes:
        graph: of the calls; inputs are the activations, then the weights.
        weights: the inputs that are weights, in order.
        own: these weights and buffers by name, as the network has them.
        values: what each call made of two examples, and the weights.
        precision: in which it multiplies.
    """

    graph: fx.Graph
    weights: tuple[fx.Node, ...]
    own: Params
    values: dict[fx.Node, Any]
    precision: Precision
    _run: Callable[..., Tensor]

    def __call__(self, weights: Params, hidden: Tensor) -> Tensor:
        """Return features ``(batch, features)`` from prepared activations at the cut."""
        return self.run(self._run, weights, hidden, *self.arguments(weights))

    @property
    def near(self) -> float:
        """How far two ways to the same features may be apart, in shares of the largest."""
        return 1e-5 if self.precision == "float32" else 1e-2

    def run(self, function: Callable[..., Tensor], weights: Params, hidden: Tensor, *arguments: Any) -> Tensor:
        """Call a function in this precision; features have the type of the head that reads them."""
        like = weights.get("head.weight", hidden)
        with lowered(hidden.device, self.precision):
            found = function(hidden.to(like.dtype) if hidden.is_floating_point() else hidden, *arguments)
        return found.to(like.dtype)

    def arguments(self, weights: Params) -> list[Tensor]:
        """Return the weights in order; what the tree lacks is the network's own."""
        return [weights.get(name, value) for name, value in self.own.items()]


@torch.no_grad()
def functional_of(network: Network, inputs: Tensor, start: int) -> Functional | None:
    """Write down a network above a cut; None where that cannot be done, or does other than its modules.

    Args:
        network: any.
        inputs: activations at ``start``; one is enough.
        start: the first block that trains.
    """
    try:
        found = _written(_Above(network, start), _prepared(network, inputs[:1], start), network.precision)
        same = _does_the_same(found, network, inputs[:1], start)
    except Exception:  # a user's forward may do anything that cannot be written down
        return None
    return found if same else None


class _Above(nn.Module):
    """The blocks above a cut, under the network's names."""

    def __init__(self, network: Network, start: int) -> None:
        super().__init__()
        self.blocks, self.start = network.blocks, start

    def forward(self, hidden: Tensor) -> Tensor:
        """Return features."""
        for block in self.blocks[self.start :]:
            hidden = block(hidden)
        return hidden


def _written(above: _Above, hidden: Tensor, precision: Precision) -> Functional:
    named = (*above.named_parameters(), *above.named_buffers())
    # Two examples, since a single one could be taken for a size that broadcasts.
    two = hidden.expand(2, *hidden.shape[1:])
    tracer = _Tracer(two, {name: value.detach().to(hidden.device) for name, value in named})
    graph = tracer.trace(above)
    graph.eliminate_dead_code()
    inputs = _weights_as_inputs(graph)
    tracer.values |= {node: tracer.tensors[name] for name, node in inputs.items()}
    run = fx.GraphModule(nn.Module(), graph).forward
    own = trees.select(tracer.tensors, inputs)
    return Functional(graph, tuple(inputs.values()), own, tracer.values, precision, run)


def _weights_as_inputs(graph: fx.Graph) -> dict[str, fx.Node]:
    """Make each weight an input of the graph; return these by name, in order."""
    first: dict[str, fx.Node] = {}
    reads = [node for node in graph.nodes if node.op == "get_attr"]
    last = next(node for node in graph.nodes if node.op == "placeholder")
    for node in reads:
        name = str(node.target)
        if name not in first:
            with graph.inserting_after(last):
                last = first[name] = graph.placeholder(f"weight_{len(first)}")
        node.replace_all_uses_with(first[name])
        graph.erase_node(node)
    return first


def _does_the_same(found: Functional, network: Network, inputs: Tensor, start: int) -> bool:
    weights = {name: value.detach().to(inputs.device) for name, value in network.named_parameters()} | found.own
    expected = functional_call(network, weights, (inputs, start, network.depth), tie_weights=False)
    features = found(weights, _prepared(network, inputs, start))
    return bool((features - expected).abs().max() <= found.near * (1 + expected.abs().max()))


def _prepared(network: Network, inputs: Tensor, start: int) -> Tensor:
    """Return what block ``start`` reads, in the type of the network's own weights."""
    hidden = network.prepare(inputs) if start == 0 else inputs
    return hidden.to(network.head.weight.dtype) if hidden.is_floating_point() else hidden


class _Tracer(fx.Tracer):
    """Looks into every module, and makes every call on two examples as it is written down."""

    def __init__(self, hidden: Tensor, tensors: Params) -> None:
        super().__init__()
        self.values: dict[fx.Node, Any] = {}
        self.hidden, self.tensors = hidden, tensors

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:  # noqa: ARG002
        """Say whether a module is a call by itself."""
        return False

    def proxy(self, node: fx.Node) -> fx.Proxy:
        """Return what stands for a call's result while forward is written down."""
        self.values[node] = self._made(node)
        return _Sized(node, self)

    def _made(self, node: fx.Node) -> Any:
        if node.op == "placeholder":
            return self.hidden
        if node.op == "get_attr":
            return self.tensors[str(node.target)]
        arguments: Any = fx.node.map_arg(node.args, self._known)
        named: Any = fx.node.map_arg(node.kwargs, self._known)
        if node.op == "call_method":
            return getattr(arguments[0], str(node.target))(*arguments[1:], **named)
        return node.target(*arguments, **named)  # type: ignore[operator]

    def _known(self, node: fx.Node) -> Any:
        # A buffer is read without a proxy.
        return self.values[node] if node in self.values else self._made(node)


class _Sized(fx.Proxy):
    """A result whose sizes are known, all but the number of examples."""

    @property
    def shape(self) -> tuple[Any, ...]:
        """Sizes; the first one is written down, the others are numbers."""
        shape: tuple[int, ...] = tuple(self._value.shape)
        written: Any = fx.Proxy.__getattr__(self, "shape")
        return (written[0], *shape[1:]) if shape else ()

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return self.dim()

    def dim(self) -> int:
        """Return the number of dimensions."""
        return int(self._value.dim())

    def size(self, dim: int | None = None) -> Any:
        """Return all sizes, or one."""
        return self.shape if dim is None else self.shape[dim]

    @property
    def _value(self) -> Any:
        return self.tracer.values[self.node]  # type: ignore[attr-defined]
