"""A network that trains for several clients at once: their convolutions are groups of one convolution.

Small networks leave a processor idle: a client's layer has too few channels and a minibatch too few examples to fill
it. Five clients side by side are one network of five times the channels, and take a step in about half the time of
five steps; each still has weights of its own, which no other client's examples touch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx, nn

from headstart.core import trees
from headstart.core.trees import Params
from headstart.models.functional import Functional
from headstart.models.grouped_layers import RULES, Layer, LayerCall, UnknownLayer, as_maps


@dataclass(frozen=True, eq=False)
class GroupedNetwork:
    """A network above its cut as a function of the weights of several clients.

    Attributes:
        alone: the same for one client.
    """

    alone: Functional
    _run: Callable[..., Tensor]

    def __call__(self, weights: Params, hidden: Tensor) -> Tensor:
        """Return features ``(clients, batch, features)``.

        Args:
            weights: those that train with a leading client axis, those that all clients share without.
            hidden: prepared activations at the cut, ``(clients, batch, …)``.
        """
        clients = len(hidden)
        own = zip(self.alone.arguments(weights), self.alone.own.values(), strict=True)
        stacks = [value if value.dim() > like.dim() else value.expand(clients, *value.shape) for value, like in own]
        return self.alone.run(self._of(clients), weights, as_maps(hidden) if hidden.dim() > 3 else hidden, *stacks)

    def _of(self, clients: int) -> Callable[..., Tensor]:
        return lambda *arguments: self._run(clients, *arguments)


def grouped(alone: Functional | None) -> GroupedNetwork:
    """Return a network for several clients.

    Args:
        alone: what it is for one client; None if that could not be written down.

    Raises:
        UnknownLayer: it could not, or has a layer that is not known to work client by client; says which and why.
    """
    if alone is None:
        raise UnknownLayer("its forward cannot be written down call by call")
    found = GroupedNetwork(alone, fx.GraphModule(nn.Module(), _Rewriting(alone).graph()).forward)
    if not _does_the_same(found):
        raise UnknownLayer("its features in a group are others than alone")
    return found


@torch.no_grad()
def _does_the_same(found: GroupedNetwork) -> bool:
    """Compare two clients of other weights, in a group and each alone."""
    alone = found.alone
    hidden = alone.values[next(iter(alone.graph.nodes))]
    clients = [alone.own, {name: value * 1.25 for name, value in alone.own.items()}]
    expected = torch.stack([alone(own, hidden) for own in clients])
    features = found(trees.stack(clients), hidden.expand(2, *hidden.shape))
    return bool((features - expected).abs().max() <= alone.near * (1 + expected.abs().max()))


@dataclass(frozen=True)
class _Rewriting:
    """Writes a graph anew, call by call."""

    alone: Functional

    def graph(self) -> fx.Graph:
        """Return the graph for several clients: its first input is their number."""
        graph, made = fx.Graph(), dict[fx.Node, fx.Node]()
        clients = graph.placeholder("clients")
        for node in self.alone.graph.nodes:
            if node.op == "output":
                graph.output(made[node.args[0]])
            elif node.op == "placeholder":
                made[node] = graph.placeholder(str(node.target))
            elif isinstance(self._value(node), Tensor):
                layer = self._layer(node)
                args, kwargs = (fx.node.map_arg(given, lambda n: made.get(n, 0)) for given in (node.args, node.kwargs))
                made[node] = graph.call_function(layer, (clients, *args), kwargs)
        return graph

    def _layer(self, node: fx.Node) -> Layer:
        rule = RULES.get(node.target)
        if rule is None:
            raise UnknownLayer(f"'{_name_of(node.target)}' is not known to work client by client")
        try:
            return rule(_of_examples(self._call(node)))
        except UnknownLayer as error:
            raise UnknownLayer(f"'{_name_of(node.target)}' {error}") from None

    def _call(self, node: fx.Node) -> LayerCall:
        read = [other for other in node.all_input_nodes if isinstance(self._value(other), Tensor)]
        hidden = [tuple(self._value(other).shape) for other in read if other not in self.alone.weights]
        shape = tuple(self._value(node).shape)
        return LayerCall(_function_of(node), node.args, node.kwargs, shape, tuple(hidden), len(read) - len(hidden))

    def _value(self, node: fx.Node) -> Any:
        return self.alone.values[node]


def _of_examples(call: LayerCall) -> LayerCall:
    if not call.read:
        raise UnknownLayer("reads no examples, but weights alone")
    return call


def _function_of(node: fx.Node) -> Callable[..., Any]:
    return partial(_method, str(node.target)) if node.op == "call_method" else node.target  # type: ignore[return-value]


def _method(name: str, value: Tensor, *args: Any, **kwargs: Any) -> Any:
    return getattr(value, name)(*args, **kwargs)


def _name_of(target: Any) -> str:
    return target if isinstance(target, str) else str(getattr(target, "__name__", target))
