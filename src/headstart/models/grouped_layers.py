"""Layers of several clients as one: what each call of a network becomes where every client has weights of its own.

Maps of all clients lie side by side as channels, ``(batch, clients x channels, …)``, and their convolutions are groups
of one convolution: each client's example ``i`` is example ``i`` of them all. Flat features are ``(clients, batch,
features)``, and a linear layer is a batched matrix product. Weights have a leading client axis.

Two of what a call reads are told apart by their sizes for one client: a map has three dimensions or more.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


class UnknownLayer(Exception):
    """A call that has no form for several clients; says why."""


@dataclass(frozen=True)
class LayerCall:
    """A call of one client's network.

    Attributes:
        function: what is called.
        args: as they are written down.
        kwargs: as they are written down.
        shape: of what it makes.
        read: shapes of the maps and features that it reads, in order; weights are not among them.
        weights: how many weights it reads.
    """

    function: Callable[..., Any]
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    shape: tuple[int, ...]
    read: tuple[tuple[int, ...], ...]
    weights: int

    def given(self, place: int, name: str, default: Any) -> Any:
        """Return an argument, whether it is given by place or by name."""
        return self.args[place] if len(self.args) > place else self.kwargs.get(name, default)


Layer = Callable[..., Tensor]
"""A call for several clients: as for one, after the number of clients."""

Rule = Callable[[LayerCall], Layer]
"""From a call to its form for several clients.

Raises:
    UnknownLayer: it has none.
"""


def same(call: LayerCall) -> Layer:
    """Keep a call that works number by number, or place by place within a channel.

    Raises:
        UnknownLayer: it reads weights, or what it reads together has other channels.
    """
    if call.weights:
        raise UnknownLayer("reads a weight that belongs to no known layer")
    if len({shape[:2] for shape in call.read}) > 1 or any(len(shape) != len(call.shape) for shape in call.read):
        raise UnknownLayer("combines what has different channels")

    def layer(_clients: int, *given: Any, **named: Any) -> Tensor:
        result: Tensor = call.function(*given, **named)
        return result

    return layer


def pooling(call: LayerCall) -> Layer:
    """Keep a pooling of maps, place by place within a channel.

    Raises:
        UnknownLayer: it gives places too, or pools something else than maps.
    """
    if len(call.read) != 1 or len(call.shape) < 3 or call.shape[:2] != call.read[0][:2]:
        raise UnknownLayer("pools something else than maps")
    return same(call)


def padding(call: LayerCall) -> Layer:
    """Keep a padding of maps beside their places, not of channels.

    Raises:
        UnknownLayer: it pads channels.
    """
    return pooling(call)


def convolution(call: LayerCall) -> Layer:
    """Make each client's convolution a group of one."""

    def layer(clients: int, hidden: Tensor, weight: Tensor, bias: Tensor | None, *given: Any) -> Tensor:
        *settings, groups = given
        result: Tensor = call.function(hidden, weight.flatten(0, 1), _flat(bias), *settings, groups * clients)
        return result

    if len(call.args) != 7 or call.kwargs or len(call.read) != 1:
        raise UnknownLayer("is a convolution with settings that are not known")
    return layer


def linear(call: LayerCall) -> Layer:
    """Make each client's linear layer a product of a batch.

    Raises:
        UnknownLayer: it reads something else than flat features.
    """
    if len(call.shape) != 2 or len(call.read) != 1:
        raise UnknownLayer("is a linear layer of something else than flat features")

    def layer(_clients: int, hidden: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        # In this order the gradient lies in memory as the weight does.
        product = torch.bmm(weight, hidden.mT).mT
        return product if bias is None else product + bias.unsqueeze(1)

    return layer


def _group_norm(call: LayerCall) -> Layer:
    """Normalise so many times the groups.

    Raises:
        UnknownLayer: it normalises something else than maps.
    """
    if len(call.shape) < 3:
        raise UnknownLayer("normalises something else than maps")

    def layer(clients: int, hidden: Tensor, groups: int, *given: Any, **named: Any) -> Tensor:
        weight, bias, eps = _named(given, named, weight=None, bias=None, eps=1e-5)
        return functional.group_norm(hidden, groups * clients, _flat(weight), _flat(bias), eps)

    return layer


def batch_norm(call: LayerCall) -> Layer:
    """Normalise by statistics that do not train, each client's channels by their own.

    Raises:
        UnknownLayer: it normalises by a batch's statistics, or something else than maps.
    """
    names = {"weight": None, "bias": None, "training": False, "momentum": 0.1, "eps": 1e-5}
    if call.given(5, "training", False) or len(call.shape) < 3:
        raise UnknownLayer("normalises by a batch's statistics, or something else than maps")

    def layer(_clients: int, hidden: Tensor, mean: Tensor, variance: Tensor, *given: Any, **named: Any) -> Tensor:
        weight, bias, _, _, eps = _named(given, named, **names)
        return functional.batch_norm(
            hidden, mean.flatten(), variance.flatten(), _flat(weight), _flat(bias), training=False, eps=eps
        )

    return layer


def _flattening(call: LayerCall) -> Layer:
    """Make each client's maps flat features.

    Raises:
        UnknownLayer: what is made is not flat, or not of one example.
    """
    (read,) = call.read
    if call.shape == read:
        return _as_it_is
    if call.shape != (read[0], _product(read[1:])):
        raise UnknownLayer("makes something else than flat features")
    return _as_features


def mean(call: LayerCall) -> Layer:
    """Average over places.

    Raises:
        UnknownLayer: over something else.
    """
    (read,) = call.read
    places = tuple(range(2, len(read)))
    dims = call.given(1, "dim", None)
    over = tuple(sorted(dim % len(read) for dim in ([dims] if isinstance(dims, int) else dims or ())))
    if over != places or not places:
        raise UnknownLayer("averages over something else than all places")

    def layer(clients: int, hidden: Tensor, *_: Any, **__: Any) -> Tensor:
        pooled = hidden.mean(places, keepdim=True)
        return pooled if len(call.shape) == len(read) else as_features(pooled, clients)

    return layer


def joining(call: LayerCall) -> Layer:
    """Join channels, client by client.

    Raises:
        UnknownLayer: it joins something else.
    """
    dim = call.given(1, "dim", 0)
    others = {(shape[0], *shape[2:]) for shape in call.read}
    if dim % len(call.shape) != 1 or others != {(call.shape[0], *call.shape[2:])} or len(call.shape) < 3:
        raise UnknownLayer("joins something else than channels of maps")

    def layer(clients: int, parts: Sequence[Tensor], *_: Any, **__: Any) -> Tensor:
        return torch.cat([torch.unflatten(part, 1, (clients, -1)) for part in parts], 2).flatten(1, 2)

    return layer


def nothing(call: LayerCall) -> Layer:
    """Leave out what does nothing unless it trains.

    Raises:
        UnknownLayer: it does.
    """
    if call.given(2, "training", True):
        raise UnknownLayer("draws at random")
    return _as_it_is


def _as_it_is(_clients: int, hidden: Tensor, *_: Any, **__: Any) -> Tensor:
    return hidden


def _as_features(clients: int, hidden: Tensor, *_: Any, **__: Any) -> Tensor:
    return as_features(hidden, clients)


def as_features(maps: Tensor, clients: int) -> Tensor:
    """Turn ``(batch, clients x channels, …)`` into ``(clients, batch, features)``.

    >>> as_features(torch.zeros(4, 6, 2, 2), clients=3).shape
    torch.Size([3, 4, 8])
    """
    return torch.unflatten(maps, 1, (clients, -1)).transpose(0, 1).flatten(2)


def as_maps(stack: Tensor) -> Tensor:
    """Turn ``(clients, batch, channels, …)`` into ``(batch, clients x channels, …)``, channel by channel in a place.

    >>> as_maps(torch.zeros(3, 4, 2, 5, 5)).stride()
    (150, 1, 30, 6)
    """
    last = stack.permute(1, *range(3, stack.dim()), 0, 2).flatten(-2)
    # Of one channel each it would be a view.
    return last.contiguous().movedim(-1, 1)


def _flat(value: Tensor | None) -> Tensor | None:
    return None if value is None else value.flatten()


def _named(given: Sequence[Any], named: Mapping[str, Any], **defaults: Any) -> list[Any]:
    """Return a call's arguments in order, whether they were given by place or by name."""
    places = dict(zip(defaults, given, strict=False))
    return [places.get(name, named.get(name, default)) for name, default in defaults.items()]


def _product(sizes: Sequence[int]) -> int:
    return int(torch.Size(sizes).numel())


_ELEMENTWISE = (
    *(functional.relu, functional.relu6, functional.leaky_relu, functional.elu, functional.selu, functional.celu),
    *(functional.silu, functional.gelu, functional.mish, functional.softplus, functional.logsigmoid),
    *(functional.hardtanh, functional.hardswish, functional.hardsigmoid, functional.tanh, functional.sigmoid),
    *(torch.relu, torch.relu_, torch.sigmoid, torch.tanh, torch.clamp, torch.abs, torch.square, torch.exp),
    *(torch.add, torch.sub, torch.mul, torch.div),
    *(operator.add, operator.sub, operator.mul, operator.truediv, operator.iadd, operator.imul, operator.neg),
    *("relu", "relu_", "sigmoid", "tanh", "clamp", "add", "add_", "sub", "mul", "mul_", "div", "contiguous", "clone"),
)
_POOLINGS = (
    *(functional.max_pool1d, functional.max_pool2d, functional.max_pool3d),
    *(functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d),
    *(functional.adaptive_avg_pool1d, functional.adaptive_avg_pool2d, functional.adaptive_avg_pool3d),
    *(functional.adaptive_max_pool1d, functional.adaptive_max_pool2d, functional.adaptive_max_pool3d),
    *(torch.max_pool1d, torch.max_pool2d, torch.max_pool3d, functional.interpolate),
)

RULES: dict[Any, Rule] = {
    **dict.fromkeys(_ELEMENTWISE, same),
    **dict.fromkeys(_POOLINGS, pooling),
    functional.pad: padding,
    **dict.fromkeys((torch.conv1d, torch.conv2d, torch.conv3d), convolution),
    functional.linear: linear,
    **dict.fromkeys((torch.flatten, torch.reshape, "flatten", "view", "reshape"), _flattening),
    **dict.fromkeys((torch.mean, "mean"), mean),
    **dict.fromkeys((torch.cat, torch.concat), joining),
    **dict.fromkeys((functional.dropout, functional.dropout1d, functional.dropout2d, functional.dropout3d), nothing),
    functional.group_norm: _group_norm,
    functional.batch_norm: batch_norm,
}
"""Every call that is known, functions and methods, and what it becomes."""
