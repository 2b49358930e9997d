"""Where a network is cut into a frozen part below and a trainable part above."""

from __future__ import annotations

from typing import Literal

from headstart.core.errors import ModelError
from headstart.models.lora import Lora, adapted_layers
from headstart.models.network import Network
from headstart.models.random_features import is_mapped

Trainable = Literal["head", "all"] | int | Lora
"""What trains: the head, everything, the last k blocks and the head, or adapters and the head."""


def cut_index(network: Network, trainable: Trainable) -> int:
    """Return how many blocks are frozen.

    Raises:
        ModelError: more blocks are asked for than the network has.
    """
    if isinstance(trainable, Lora):
        return int(min(block_of(name) for name in adapted_layers(network, trainable)))
    if trainable == "head":
        return network.depth
    if trainable == "all":
        # Blocks without weights of their own at the bottom have nothing to train.
        weighted = (index for index, block in enumerate(network.blocks) if len(list(block.parameters())))
        return next(weighted, network.depth)
    # A map on top has nothing to train.
    blocks = network.depth - is_mapped(network)
    if not 1 <= trainable <= blocks:
        raise ModelError(
            f"trainable: '{network.name}' has {blocks} blocks, received {trainable}; give 1 to {blocks}, 'head' or "
            "'all'"
        )
    return blocks - trainable


def trains_head(network: Network, trainable: Trainable) -> bool:
    """Say whether a cut leaves the head alone to train: any does where no block has weights.

    Raises:
        ModelError: more blocks are asked for than the network has.
    """
    return cut_index(network, trainable) == network.depth


def block_of(name: str) -> float:
    """Return the index of the block that a weight belongs to; the head comes after all."""
    kind, index, *_ = name.split(".")
    return int(index) if kind == "blocks" else float("inf")
