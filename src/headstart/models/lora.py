"""LoRA: the change of a linear layer as a product of two narrow matrices, and no other weight of the backbone trains.

Hu, Shen, Wallis, Allen-Zhu, Li, Wang, Wang, Chen: LoRA: Low-Rank Adaptation of Large Language Models. ICLR 2022.
https://arxiv.org/abs/2106.09685 (section 4).

The network stays as it is: where it runs, a layer's weight is ``W + alpha / rank * B A``. So an adapter is a few more
tensors in the tree of what trains, ``lora.<layer>.A`` ``(rank, inputs)`` and ``lora.<layer>.B`` ``(outputs, rank)``,
and merging is a sum.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from pydantic import BeforeValidator, PositiveFloat, PositiveInt
from torch import Tensor, nn

from headstart.core.content import hash_tree
from headstart.core.errors import ModelError
from headstart.core.seeds import derive
from headstart.core.trees import Params
from headstart.models.network import Network

ATTENTION = frozenset({"query", "value", "q_lin", "v_lin", "q_proj", "v_proj"})
"""Layers that are adapted in transformers, as the paper's section 7.1 advises: queries and values."""


def _as_tuple(value: Any) -> Any:
    """Take a study file's list, which is never a tuple."""
    return tuple(value) if isinstance(value, list) else value


@dataclass(frozen=True, kw_only=True)
class Lora:
    """What trains are low-rank adapters of some layers, and the head.

    Attributes:
        rank: width of the adapters.
        alpha: adapters are scaled by ``alpha / rank``.
        last: blocks from the top that have adapters; None means all.
        targets: last part of the adapted layers' names; None means queries and values in a transformer, and every
            linear layer in another network.
        train_a: whether A trains; else it keeps its first, random values.
    """

    rank: PositiveInt = 8
    alpha: PositiveFloat = 16.0
    last: PositiveInt | None = None
    targets: Annotated[tuple[str, ...], BeforeValidator(_as_tuple)] | None = None
    train_a: ClassVar[bool] = True

    @property
    def trainable(self) -> Lora:
        """What trains: the adapters, and the head."""
        return self

    @property
    def scale(self) -> float:
        """What ``B A`` is multiplied by."""
        return self.alpha / self.rank


def adapted_layers(network: Network, lora: Lora) -> dict[str, nn.Linear]:
    """Return the layers that have adapters, by name.

    Raises:
        ModelError: more blocks are asked for than the network has, or no layer has such a name.
    """
    if (lora.last or 1) > network.depth:
        raise ModelError(
            f"last: '{network.name}' has {network.depth} blocks, received {lora.last}; give 1 to {network.depth}"
        )
    first = network.depth - (lora.last or network.depth)
    layers = {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear) and name.startswith("blocks.") and int(name.split(".")[1]) >= first
    }
    kinds = {name.rpartition(".")[2] for name in layers}
    wanted = set(lora.targets) if lora.targets is not None else kinds & ATTENTION or kinds
    found = {name: module for name, module in layers.items() if name.rpartition(".")[2] in wanted}
    if not found:
        raise ModelError(
            f"targets: '{network.name}' must have a linear layer of that name, received {sorted(wanted)}; "
            f"valid: {', '.join(sorted(kinds)) or 'none: this network has no linear layer below its head'}"
        )
    return found


def new_adapters(network: Network, weights: Params, lora: Lora) -> Params:
    """Return fresh adapters, which change nothing yet: A as PEFT draws it, B zero.

    A is keyed by the head's content: whoever holds the same weights has the same A, and nobody need send it.
    """
    key = hash_tree({name: value for name, value in weights.items() if name.startswith("head.")})
    adapters = {}
    for name, layer in adapted_layers(network, lora).items():
        like = weights[f"{name}.weight"]
        adapters[f"lora.{name}.A"] = _uniform((lora.rank, layer.in_features), derive("lora", key, name)).to(like)
        adapters[f"lora.{name}.B"] = like.new_zeros(layer.out_features, lora.rank)
    return adapters


def merged(weights: Params, scale: float) -> Params:
    """Add adapters to the weights that they change, and leave none."""
    found = {name: value for name, value in weights.items() if not name.startswith("lora.")}
    for layer, a, b in pairs(weights):
        found[f"{layer}.weight"] = found[f"{layer}.weight"] + scale * (b @ a)
    return found


def pairs(weights: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Yield each adapted layer's name with its A and its B."""
    for name in [name for name in weights if name.startswith("lora.") and name.endswith(".A")]:
        layer = name.removeprefix("lora.").removesuffix(".A")
        yield layer, weights[name], weights[f"lora.{layer}.B"]


def _uniform(shape: tuple[int, int], seed: int) -> Tensor:
    bound = 1 / math.sqrt(shape[1])
    return torch.empty(shape).uniform_(-bound, bound, generator=torch.Generator().manual_seed(seed % 2**63))
