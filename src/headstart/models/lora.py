"""Low-rank adapters, as another way to write the tree of weights: the network's modules stay as they are.

Hu, Shen, Wallis, Allen-Zhu, Li, Wang, Wang, Chen: *LoRA: Low-Rank Adaptation of Large Language Models*, ICLR 2022,
https://arxiv.org/abs/2106.09685 (section 4.1). A linear layer's weights are ``W + alpha / rank * B A``; ``W`` is frozen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import torch
from pydantic import BeforeValidator, PositiveFloat, PositiveInt
from torch import Tensor, nn

from headstart.core.content import hash_tree
from headstart.core.errors import ModelError
from headstart.core.seeds import torch_generator
from headstart.core.trees import Params, select
from headstart.models.network import Network

PREFIX = "lora."
USUAL = (("query", "value"), ("q_lin", "v_lin"), ("q_proj", "v_proj"), ("q", "v"))
"""Queries and values of attention, under the names of common transformers."""

MOST_NAMES = 12
"""Names of layers that an error lists."""


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]


@dataclass(frozen=True, kw_only=True)
class Lora:
    """What trains: adapters of linear layers in the last blocks, and the head.

    Attributes:
        rank: of the adapters.
        alpha: an adapter counts ``alpha / rank`` times.
        last: number of blocks, from the head down, that are adapted; without it all of them.
        targets: names (or ends of dotted names) of the linear layers to adapt; without it queries and values of
            attention, or every linear layer of a network that has none.
    """

    rank: PositiveInt = 8
    alpha: PositiveFloat = 16.0
    last: PositiveInt | None = None
    targets: Names | None = None

    @property
    def scaling(self) -> float:
        """How many times an adapter counts."""
        return self.alpha / self.rank


@dataclass(frozen=True, eq=False)
class Adapters:
    """Adapters of a tree of weights; by default there are none.

    Attributes:
        scaling: how many times an adapter counts.
        first: the first values, ``lora.<layer>.A`` ``(rank, in)`` and ``lora.<layer>.B`` ``(out, rank)``; they stand for
            every factor that a tree of parameters leaves out.
    """

    scaling: float = 1.0
    first: Params = field(default_factory=dict)

    def merge(self, weights: Params) -> Params:
        """Return plain weights: every adapter of ``weights`` added to the layer that it belongs to.

        >>> adapters = Adapters(2.0, {"lora.layer.A": torch.ones(1, 2), "lora.layer.B": torch.zeros(3, 1)})
        >>> adapters.merge({"layer.weight": torch.zeros(3, 2), "lora.layer.B": torch.ones(3, 1)})["layer.weight"]
        tensor([[2., 2.], [2., 2.], [2., 2.]])
        """
        if not self.first:
            return weights
        plain = {name: value for name, value in weights.items() if not name.startswith(PREFIX)}
        factors = self.first | weights
        for layer in layers_of(self.first):
            below, above = factors[f"{PREFIX}{layer}.A"], factors[f"{PREFIX}{layer}.B"]
            plain[f"{layer}.weight"] = plain[f"{layer}.weight"] + self.scaling * (above @ below)
        return plain


def layers_of(params: Params) -> list[str]:
    """Name the adapted layers.

    >>> layers_of({"lora.blocks.0.A": torch.zeros(1), "lora.blocks.0.B": torch.zeros(1), "head.bias": torch.zeros(1)})
    ['blocks.0']
    """
    return [name[len(PREFIX) : -2] for name in factors_of(params, "B")]


def factors_of(params: Params, factor: str) -> Params:
    """Return all adapters' ``A`` or all their ``B``.

    >>> list(factors_of({"lora.blocks.0.A": torch.zeros(1), "lora.blocks.0.B": torch.zeros(1)}, "A"))
    ['lora.blocks.0.A']
    """
    return select(params, [name for name in params if name.startswith(PREFIX) and name.endswith(f".{factor}")])


def new_adapters(network: Network, weights: Params, lora: Lora) -> Adapters:
    """Begin adapters that change nothing yet: ``A`` uniform in ±1/√in, as PEFT draws it, and ``B`` zero.

    ``A`` is keyed by the head's weights and the layer's name, so that who has these weights has this ``A`` too.

    Raises:
        ModelError: more blocks are asked for than the network has, or no linear layer has such a name.
    """
    key = hash_tree({name: value for name, value in weights.items() if name.startswith("head.")})
    first: Params = {}
    for layer in find_layers(network, lora):
        weight = weights[f"{layer}.weight"]
        first[f"{PREFIX}{layer}.A"] = _first_factor(weight, lora.rank, key, layer)
        first[f"{PREFIX}{layer}.B"] = weight.new_zeros(len(weight), lora.rank)
    return Adapters(lora.scaling, first)


def find_layers(network: Network, lora: Lora) -> list[str]:
    """Name the linear layers that are adapted, from the input up.

    Raises:
        ModelError: more blocks are asked for than the network has, or no linear layer has such a name.
    """
    _check_last(network, lora.last)
    start = network.depth - (lora.last or network.depth)
    found = [
        f"blocks.{index}.{name}".rstrip(".")
        for index, block in list(enumerate(network.blocks))[start:]
        for name, module in block.named_modules()
        if isinstance(module, nn.Linear)
    ]
    if not found:
        raise ModelError(
            f"lora: adapts linear layers, received '{network.name}' whose {_blocks(lora)} hold none; "
            f"take 'last_blocks', 'full_finetune' or 'fedavg' instead, or a transformer as backbone"
        )
    return _named(found, lora, network.name)


def _named(layers: Sequence[str], lora: Lora, network: str) -> list[str]:
    """Pick the layers with the names wanted."""
    if lora.targets is None:
        usual = (ends for ends in USUAL if all(any(_ends(layer, end) for layer in layers) for end in ends))
        wanted = next(usual, None)
        return [layer for layer in layers if wanted is None or any(_ends(layer, end) for end in wanted)]
    missing = [end for end in lora.targets if not any(_ends(layer, end) for layer in layers)]
    if missing or not lora.targets:
        known = list(dict.fromkeys(layer.split(".", 2)[-1] for layer in layers))
        raise ModelError(
            f"targets: must name linear layers in the {_blocks(lora)} of '{network}', received "
            f"{missing or list(lora.targets)}; they hold: {', '.join(known[:MOST_NAMES])}"
        )
    return [layer for layer in layers if any(_ends(layer, end) for end in lora.targets)]


def _ends(layer: str, end: str) -> bool:
    return f".{layer}".endswith(f".{end}")


def _blocks(lora: Lora) -> str:
    return f"last {lora.last} blocks" if lora.last else "blocks"


def _check_last(network: Network, last: int | None) -> None:
    if last is not None and not 1 <= last <= network.depth:
        raise ModelError(
            f"last: '{network.name}' has {network.depth} blocks, received {last}; "
            f"give 1 to {network.depth}, or leave it out to adapt all of them"
        )


def _first_factor(weight: Tensor, rank: int, *keys: str) -> Tensor:
    bound = weight.shape[1] ** -0.5
    drawn = torch.empty(rank, weight.shape[1]).uniform_(-bound, bound, generator=torch_generator("lora", *keys))
    return drawn.to(weight)
